// Package access decides who may use the admin page and the REST API, and for what. It owns sign-in,
// sessions, the slowing down of guesses, and the one table of operations and the admin levels they need.
//
// Sessions live in memory: a restart signs everybody out. The package starts no goroutine.
package access

import "github.com/rolecall/rolecall/internal/uc"

// Operation is something that a request asks for. Pages and REST routes name one each.
type Operation string

// The operations that need no particular level.
const (
	Public   Operation = "public"    // anybody, signed in or not
	SignedIn Operation = "signed in" // whoever has an admin level: the own account
)

// The operations that need a level.
const (
	ReadBoard      Operation = "read presence, calls and registrations"
	Explain        Operation = "explain a call"
	ReadJournal    Operation = "read the journal"
	SwitchProfile  Operation = "switch a profile"
	SteerCalls     Operation = "dial, transfer and hang up calls"
	ReadUsers      Operation = "read users"
	WriteUsers     Operation = "write users"
	ReadDevices    Operation = "read devices and FollowMe"
	WriteDevices   Operation = "write devices and FollowMe"
	ReadSecrets    Operation = "read SIP credentials"
	ReadTeams      Operation = "read teams"
	WriteTeams     Operation = "write teams"
	ReadLocations  Operation = "read locations"
	WriteLocations Operation = "write locations"
	ReadRoles      Operation = "read roles"
	WriteRoles     Operation = "write roles"
	ReadProfiles   Operation = "read profiles"
	WriteProfiles  Operation = "write profiles"
	ReadCallFlow   Operation = "read forwardings and call flow"
	WriteCallFlow  Operation = "write forwardings and call flow"
	ReadPhonebook  Operation = "read the phone book"
	WritePhonebook Operation = "write the phone book"
	ReadConnectors Operation = "read the state of connectors"
	ReadChats      Operation = "read chat sessions and their traces"
	EndChats       Operation = "end chat sessions"
	ReadFederation Operation = "read streams with other chat servers"
	ReadMetrics    Operation = "read metrics"
)

// minimum says which admin level an operation needs at least. This table is the only place where levels
// get their meaning; an operation that is missing here is refused to everybody.
var minimum = map[Operation]uc.AdminLevel{
	ReadBoard:      uc.LevelPBX,
	Explain:        uc.LevelPBX,
	ReadJournal:    uc.LevelPBX,
	SwitchProfile:  uc.LevelPBX,
	SteerCalls:     uc.LevelPBX,
	ReadUsers:      uc.LevelPBX,
	WriteUsers:     uc.LevelPBX,
	ReadDevices:    uc.LevelPBX,
	WriteDevices:   uc.LevelPBX,
	ReadSecrets:    uc.LevelPBX,
	ReadTeams:      uc.LevelPBX,
	WriteTeams:     uc.LevelPBX,
	ReadLocations:  uc.LevelPBX,
	WriteLocations: uc.LevelPBX,
	ReadRoles:      uc.LevelPBX,
	WriteRoles:     uc.LevelPBX,
	ReadProfiles:   uc.LevelPBX,
	WriteProfiles:  uc.LevelPBX,
	ReadCallFlow:   uc.LevelPBX,
	WriteCallFlow:  uc.LevelPBX,
	ReadPhonebook:  uc.LevelPhonebook,
	WritePhonebook: uc.LevelPhonebook,
	ReadConnectors: uc.LevelAdmin,
	ReadChats:      uc.LevelAdmin,
	EndChats:       uc.LevelAdmin,
	ReadFederation: uc.LevelAdmin,
	ReadMetrics:    uc.LevelMetrics,
}

// Needs returns the level that an operation needs at least; ok is false for one that is in no table.
func Needs(op Operation) (level uc.AdminLevel, ok bool) {
	level, ok = minimum[op]
	return level, ok || op == Public || op == SignedIn
}

// Allows reports whether the level may do the operation.
func Allows(level uc.AdminLevel, op Operation) bool {
	switch op {
	case Public:
		return true
	case SignedIn:
		return level != uc.LevelNone
	}
	needs, ok := minimum[op]
	return ok && level.AtLeast(needs)
}
