package api

import (
	"fmt"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rolecall/rolecall/internal/uc"
)

// enums are the values that fields of the vocabulary may have, by schema and field. The vocabulary itself
// knows no OpenAPI, so they are added to its schemas here; requests are held to them.
var enums = map[string]map[string][]any{
	"User": userEnums, "NewUser": userEnums,
	"Device": {"kind": values(uc.DeviceDesk, uc.DeviceSoftphone, uc.DeviceMobile, uc.DeviceFax, uc.DeviceExternal)},
	"Team":   {"strategy": values(uc.RingAll, uc.Linear, uc.LongestIdle, uc.FewestCalls, uc.RandomMember, uc.RoundRobin, uc.Weighted)},
	"Role":   {"types": values(uc.RoleTypes...)},
	"Forwarding": {
		"kind":  values(uc.ForwardAlways, uc.ForwardBusy, uc.ForwardNoAnswer, uc.ForwardUnreachable),
		"class": values(uc.ForwardBoth, uc.ForwardInternal, uc.ForwardExternal),
	},
	"FlowLine": {"list": values(uc.InternalBefore, uc.InternalAfter, uc.ExternalBefore, uc.ExternalAfter)},
	"Profile":  {"assigned": values("", uc.AssignedSystem, uc.AssignedAdmin, uc.AssignedPersonal)},
	"ServerStream": {
		"begun": values(uc.StreamIn, uc.StreamOut),
		"proof": values(uc.ProofExternal, uc.ProofCertificate, uc.ProofDialback),
	},
	"Trigger": {"kind": values(uc.TriggerTimed, uc.TriggerTeams)},
	"Action": {
		"kind": values(uc.ActionFollowMe, uc.ActionGSM, uc.ActionTeamLogin, uc.ActionTeamLogout, uc.ActionTeamPause, uc.ActionTeamUnpause,
			uc.ActionSetWorkplace, uc.ActionUnsetWorkplace, uc.ActionSetRedirect, uc.ActionUnsetRedirect, uc.ActionText, uc.ActionWebhook, uc.ActionMessage),
		"classes": values(uc.Classes...),
		"forward": values("", uc.ForwardAlways, uc.ForwardBusy, uc.ForwardNoAnswer, uc.ForwardUnreachable),
		"class":   values("", uc.ForwardBoth, uc.ForwardInternal, uc.ForwardExternal),
	},
}

var userEnums = map[string][]any{
	"auth":       values(uc.AuthLocal, uc.AuthLDAP, uc.AuthNone),
	"voicemail":  values(uc.VoicemailOff, uc.VoicemailExternal, uc.VoicemailInternal, uc.VoicemailAll),
	"adminLevel": values(uc.LevelNone, uc.LevelMetrics, uc.LevelPhonebook, uc.LevelPBX, uc.LevelAdmin, uc.LevelSystem),
}

func values[T ~string](list ...T) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

// describeEnums adds the values to the schemas. A field that is not there is a mistake in the table.
func describeEnums(schemas map[string]*huma.Schema) error {
	for name, fields := range enums {
		for field, allowed := range fields {
			s := schemas[name]
			if s == nil || s.Properties[field] == nil {
				return fmt.Errorf("admin: no schema has %s.%s", name, field)
			}
			p := s.Properties[field]
			if p.Items != nil {
				p = p.Items
			}
			p.Enum = allowed
			p.PrecomputeMessages()
		}
	}
	return nil
}
