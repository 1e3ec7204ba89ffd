package xmpp

import "bytes"

// phoneIdentity is what stands behind the resource of a user's telephones (XEP-0030 §3.1).
var phoneIdentity = identity{"client", "phone", "Telephones"}

// toPhone reports whether the stanza is for a resource that stands for telephones, and the sender sees it. Clients ask
// every resource that they see what it is; nobody else is told that it is there.
func (r *request) toPhone() bool {
	of := r.to.account
	if of == nil || !r.to.resource {
		return false
	}
	_, resource, _ := bytes.Cut(r.head.To, []byte("/"))
	if string(resource) != phoneResource {
		return false
	}
	r.batch.mayWait() // for rosters
	if !r.server.sees(r.from.account, of) {
		return false
	}
	of.presenceMu.Lock()
	defer of.presenceMu.Unlock()
	r.server.overlayOf(of)
	return of.phone.full != nil
}

// discoInfoPhone tells what the telephones understand: what the server answers for them.
func (r *request) discoInfoPhone() error {
	return r.discoInfoFixed([]string{nsDiscoInfo, nsDiscoItems, nsVersion, nsPing, nsTime}, phoneIdentity)
}
