// Package standin plays Microsoft's part: the token endpoint of Entra and, of Graph v1.0, the reading
// of presence and of the list of users. The demo and the tests run against it over real TLS, and it
// can be told to behave as badly as the real thing: slow, throttled, failing, out of order, forgetful.
//
// [Start] serves it on loopback. [New] makes the same without sockets, for tests in virtual time. Tests
// drive it through the methods of [Cloud]; another process drives it through HTTP in plain text on a
// second loopback port:
//
//	GET    /control/settings        what a client must be configured with ([Settings])
//	GET    /control/users           all users, with their presence
//	POST   /control/users           adds a user ([User]); answers it with its object id
//	DELETE /control/users/{who}     deletes a user; who is an object id or a UPN
//	PUT    /control/presence/{who}  {"availability":"Busy","activity":"InACall"}
//	POST   /control/fault           misbehaves from now on ([Fault])
//	DELETE /control/fault           behaves again
//	POST   /control/revoke          refuses all tokens issued so far
//	PUT    /control/secret          {"secret":"…"} changes what the client must know
//	GET    /control/requests        what was asked so far ([Request])
//
// The control port has no password: it listens on loopback only and refuses requests that a browser
// sends for another site.
//
// A Cloud starts no goroutine. The two that a [Server] starts to serve end with [Server.Close].
package standin
