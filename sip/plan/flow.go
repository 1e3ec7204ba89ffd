package plan

import (
	"strconv"

	"github.com/rolecall/rolecall/internal/uc"
)

// flow runs a call-flow list from top to bottom; the first line that ends the call ends the list. status
// is what the call has come to, empty for before-lines. The results are those of forward.
func (m *maker) flow(step, owner string, lines []*uc.FlowLine, status string) (to string, moved bool) {
	for i, l := range lines {
		if !applies(l, status) {
			continue
		}
		name := "Call-flow line " + strconv.Itoa(i+1) + " of " + owner
		because := string(l.List) + ", status " + statusName(l.Status)
		if status == "" {
			because = string(l.List)
		}
		switch l.Action {
		case "goto":
			if to, moved := m.follow(step, name+", go to "+l.Target+",", l.Target, because); moved {
				return to, true
			}
		case "hangup":
			m.line(step, name+" hangs up", because)
			code, cause := hangup(l.Target)
			m.reject(code, cause, name)
			return "", true
		case "voicemail":
			m.line(step, name+", voicemail box "+l.Target+", is skipped", "this server has no voicemail boxes yet")
		case "prompt":
			m.line(step, name+", prompt "+l.Target+", is skipped", "this server does not play prompts yet")
		default:
			m.line(step, name+" is skipped", "the action "+strconv.Quote(l.Action)+" is not known")
		}
	}
	return "", false
}

// applies reports whether a line counts for what the call has come to.
func applies(l *uc.FlowLine, status string) bool {
	return status == "" || l.Status == "" || l.Status == "any" || l.Status == status
}

func statusName(status string) string {
	if status == "" {
		return "any"
	}
	return status
}

// hangup reads the cause of a hang-up line, a SIP status that ends a call; without one it is 603.
func hangup(target string) (int, string) {
	causes := map[int]string{404: "Not Found", 480: "Temporarily Unavailable", 486: "Busy Here", 503: "Service Unavailable", 603: "Decline"}
	code, err := strconv.Atoi(target)
	if err != nil || code < 400 || code > 699 {
		code = 603
	}
	if cause, ok := causes[code]; ok {
		return code, cause
	}
	return code, "Rejected"
}
