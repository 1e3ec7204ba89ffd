package web

import (
	"slices"

	"github.com/rolecall/rolecall/admin/access"
)

// routes is the table of all pages.
func (web *Web) routes() []route {
	return slices.Concat([]route{
		{"GET /{$}", access.SignedIn, (*request).home},
		{"GET /signin", access.Public, (*request).signInForm},
		{"POST /signin", access.Public, (*request).signIn},
		{"POST /signout", access.Public, (*request).signOut},
		{"GET /password", access.SignedIn, (*request).passwordForm},
		{"POST /password", access.SignedIn, (*request).changePassword},

		{"GET /board", access.ReadBoard, (*request).board},
		{"GET /events", access.ReadBoard, (*request).events},
		{"GET /users/{id}/switch", access.SwitchProfile, (*request).switchForm},
		{"POST /users/{id}/switch", access.SwitchProfile, (*request).switchProfile},
		{"GET /users/{id}/call", access.SteerCalls, (*request).callForm},
		{"POST /users/{id}/call", access.SteerCalls, (*request).call},
		{"POST /users/{id}/undo", access.SwitchProfile, (*request).undoSwitch},

		{"GET /users", access.ReadUsers, (*request).users},
		{"GET /users/new", access.WriteUsers, (*request).newUser},
		{"POST /users/new", access.WriteUsers, (*request).addUser},
		{"GET /users/{id}/security", access.ReadUsers, (*request).security},
		{"POST /users/{id}/password", access.WriteUsers, (*request).setPassword},
		{"POST /users/{id}/pin", access.WriteUsers, (*request).setPIN},
		{"GET /users/{id}/devices", access.ReadDevices, (*request).userDevices},
		{"GET /users/{id}/forwardings", access.ReadCallFlow, (*request).userForwardings},
		{"GET /users/{id}/flow", access.ReadCallFlow, (*request).userFlow},
		{"GET /users/{id}/roles", access.ReadRoles, (*request).userRoles},
		{"POST /users/{id}/roles", access.WriteRoles, (*request).saveUserRoles},
		{"GET /users/{id}/sees", access.ReadRoles, (*request).userSees},
		{"GET /users/{id}/seen-by", access.ReadRoles, (*request).userSeenBy},
		{"GET /users/{id}/profile", access.ReadBoard, (*request).userProfile},

		{"GET /devices", access.ReadDevices, (*request).devices},
		{"POST /devices/{id}/credentials", access.ReadSecrets, (*request).credentials},
		{"POST /devices/{id}/renew", access.WriteDevices, (*request).renewCredentials},
		{"POST /assign", access.WriteDevices, (*request).assign},
		{"GET /locations", access.ReadLocations, (*request).locations},
		{"GET /teams", access.ReadTeams, (*request).teams},
		{"GET /roles", access.ReadRoles, (*request).roles},
		{"GET /profiles", access.ReadProfiles, (*request).profiles},
		{"GET /forwardings", access.ReadCallFlow, (*request).forwardings},
		{"GET /phonebook", access.ReadPhonebook, (*request).phonebook},

		{"GET /journal", access.ReadJournal, (*request).journal},
		{"GET /explain", access.Explain, (*request).explain},
		{"GET /teams-sync", access.ReadConnectors, (*request).teamsSync},
		{"GET /sessions", access.ReadChats, (*request).sessions},
		{"GET /sessions/{id}", access.ReadChats, (*request).session},
		{"GET /sessions/{id}/events", access.ReadChats, (*request).sessionEvents},
		{"GET /sessions/{id}/end", access.EndChats, (*request).askEndSession},
		{"POST /sessions/{id}/end", access.EndChats, (*request).endSession},
		{"GET /federation", access.ReadFederation, (*request).federation},
		{"GET /metrics", access.ReadMetrics, (*request).metrics},
	},
		web.userEditor().routes()[2:], // new users have their own form
		web.deviceEditor().routes(),
		web.assignmentEditor().routes(),
		web.locationEditor().routes(),
		web.teamEditor().routes(),
		web.memberEditor().routes(),
		web.roleEditor().routes(),
		web.profileEditor().routes(),
		web.forwardingEditor().routes(),
		web.flowEditor().routes(),
		web.phonebookEditor().routes(),
		deleteRoutes(),
	)
}
