package plan

import "github.com/rolecall/rolecall/internal/uc"

// maxOwn is for how many seconds somebody's own telephones ring: who asked for a call sits beside them.
const maxOwn = 60

// Own works out which of the caller's own telephones ring before the call of the request is dialled for
// them: those that ring for internal calls by FollowMe, whatever forwardings and call-flow lines say, for
// at most 60 s. They show as caller whom the call is to go to. What the call does when one of them is
// answered is for [Make].
func Own(req uc.PlanRequest, dir *uc.Directory, live uc.Live) uc.Plan {
	req.Caller.Device = 0 // the caller is not at a telephone yet
	m := maker{req: req, dir: dir, live: live, origin: uc.Internal}
	m.plan.Class = uc.Internal
	m.plan.CallerNumber = req.To
	target, _ := dir.ByExt(req.To)
	if u := dir.Users.Get(target.User); u != nil {
		m.plan.CallerName = u.Name
	} else if t := dir.Teams.Get(target.Team); t != nil {
		m.plan.CallerName = t.Name
	}
	u := dir.Users.Get(req.Caller.User)
	if u == nil {
		m.reject(404, "Not Found", "the caller is none of our users")
		return m.plan
	}
	m.plan.Called = uc.Party{User: u.ID, Number: u.Ext, Name: u.Name}
	m.line(stepCaller, "The telephones of "+u.Name+" ring first", "the call to "+req.To+" is dialled for "+u.Name)
	switch m.ringUser(u) {
	case uc.StatusNone:
	case uc.StatusBusy:
		m.reject(486, "Busy Here", u.Name+" is in a call")
		return m.plan
	default:
		m.reject(480, "Not Reachable", "no telephone of "+u.Name+" can ring")
		return m.plan
	}
	for i := range m.plan.Branches {
		b := &m.plan.Branches[i]
		b.Timeout = min(b.Timeout, maxOwn)
	}
	m.result()
	return m.plan
}
