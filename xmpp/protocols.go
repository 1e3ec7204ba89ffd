package xmpp

import (
	"fmt"
	"slices"
	"strings"
)

// Protocol is a standard that the server implements, as far as Note says. docs/protocols.md and the
// answers of service discovery are made from this table.
type Protocol struct {
	Name    string
	Title   string
	Note    string
	Server  []string // features that the server tells in disco#info
	Account []string // features that a user's account tells
}

// pubsubFeatures are the parts of XEP-0060 that accounts have (§10).
var pubsubFeatures = []string{
	nsPubsub, nsPubsub + "#access-open", nsPubsub + "#access-presence", nsPubsub + "#access-roster", nsPubsub + "#access-whitelist",
	nsPubsub + "#auto-create", nsPubsub + "#config-node", nsPubsub + "#config-node-max", nsPubsub + "#create-and-configure",
	nsPubsub + "#create-nodes", nsPubsub + "#delete-items", nsPubsub + "#delete-nodes", nsPubsub + "#filtered-notifications",
	nsPubsub + "#instant-nodes", nsPubsub + "#item-ids", nsPubsub + "#last-published", nsPubsub + "#manage-subscriptions",
	nsPubsub + "#member-affiliation", nsPubsub + "#modify-affiliations", nsPubsub + "#multi-items", nsPubsub + "#outcast-affiliation",
	nsPubsub + "#persistent-items", nsPubsub + "#publish", nsPubsub + "#publish-options", nsPubsub + "#publisher-affiliation",
	nsPubsub + "#purge-nodes", nsPubsub + "#retract-items", nsPubsub + "#retrieve-affiliations", nsPubsub + "#retrieve-default",
	nsPubsub + "#retrieve-items", nsPubsub + "#retrieve-subscriptions", nsPubsub + "#rsm", nsPubsub + "#subscribe",
}

// Protocols lists the standards that the server implements.
var Protocols = []Protocol{
	{Name: "RFC 6120", Title: "XMPP Core", Note: "STARTTLS, SASL, resource binding, stream and stanza errors; other servers by SRV records, with certificates (SASL EXTERNAL) or dialback, always encrypted"},
	{Name: "RFC 6121", Title: "Instant Messaging and Presence", Note: "roster, subscriptions, presence, messages; with pre-approval and roster versioning; shared groups and supervised people are computed items; contacts at other servers, too, whose presence is asked for when a client comes"},
	{Name: "RFC 7395", Title: "XMPP Subprotocol for WebSocket", Note: "at /xmpp-websocket of the HTTP listener; no compression, no channel binding; pings every 50 s"},
	{Name: "RFC 7590", Title: "Use of TLS in XMPP", Note: "TLS 1.2 or later before login"},
	{Name: "RFC 7622", Title: "Address Format", Note: "by mellium.im/xmpp/jid"},
	{Name: "XEP-0004", Title: "Data Forms", Note: "in ad-hoc commands", Server: []string{nsForms}},
	{Name: "XEP-0012", Title: "Last Activity", Note: "of the server, and of users for those who see their presence; clients answer for themselves, to the same people", Server: []string{nsLast}, Account: []string{nsLast}},
	{Name: "XEP-0030", Title: "Service Discovery", Server: []string{nsDiscoInfo, nsDiscoItems}, Account: []string{nsDiscoInfo, nsDiscoItems}},
	{Name: "XEP-0045", Title: "Multi-User Chat", Note: "rooms of this server's users, open to people of other servers: instant and reserved, all roles, affiliations and settings but getmemberlist, invitations, voice requests, nick registration, history; persistent and logged rooms keep it over a restart"},
	{Name: "XEP-0049", Title: "Private XML Storage", Note: "64 kB an element, 50 elements", Server: []string{nsPrivate}},
	{Name: "XEP-0050", Title: "Ad-Hoc Commands", Note: "profile, FollowMe, workplace, teams, redirect, explain, dial, transfer; for supervisors also those of others, and calls", Server: []string{nsCommands}, Account: []string{nsCommands}},
	{Name: "XEP-0054", Title: "vcard-temp", Note: "own get and set, others get; made from the directory until set, for who may know the user: those at other servers, and whom the phone book does not show the user, must see the user's presence; teams have one, too", Server: []string{nsVCard}, Account: []string{nsVCard}},
	{Name: "XEP-0055", Title: "Jabber Search", Note: "of the phone book, asked of the domain itself; 200 people an answer; for this server's users only", Server: []string{nsSearch}},
	{Name: "XEP-0060", Title: "Publish-Subscribe", Note: "leaf nodes at user accounts; configuration, preconditions, the four access models, affiliations, paging; no collections, no approval of subscribers, no options of a subscription; text between child elements of a payload is moved to the front", Account: pubsubFeatures},
	{Name: "XEP-0077", Title: "In-Band Registration", Note: "the own password, if that is switched on; accounts come from the directory: nobody registers or cancels by a client", Server: []string{nsRegister}},
	{Name: "XEP-0157", Title: "Contact Addresses for XMPP Services", Note: "abuse, admin, security, support"},
	{Name: "XEP-0084", Title: "User Avatar", Note: "the item must be named by the hash of the picture"},
	{Name: "XEP-0114", Title: "Jabber Component Protocol", Note: "accept; a secret for each component, any domain but the server's own; listed in disco#items while connected; a second connection for the same name is refused"},
	{Name: "XEP-0092", Title: "Software Version", Server: []string{nsVersion}},
	{Name: "XEP-0115", Title: "Entity Capabilities", Note: "clients' are passed on, and asked about once, with the hash verified; the server announces its own", Server: []string{nsCaps}},
	{Name: "XEP-0107", Title: "User Mood", Note: "as a node of XEP-0163; the same holds for 0108, 0118, 0172 and others"},
	{Name: "XEP-0108", Title: "User Activity"},
	{Name: "XEP-0118", Title: "User Tune"},
	{Name: "XEP-0124", Title: "Bidirectional-streams Over Synchronous HTTP (BOSH)", Note: "at /http-bind of the HTTP listener; one request waits, for 60 s at most; with acknowledgements, key sequences and pauses of 2 min; no several streams in a session"},
	{Name: "XEP-0206", Title: "XMPP Over BOSH", Note: "stanzas stand by themselves: prefixes that a body declares are not theirs; no channel binding"},
	{Name: "XEP-0133", Title: "Service Administration", Note: "for administrators, by their admin level; nobody's roster or password is shown, and there are no disabled users"},
	{Name: "XEP-0152", Title: "Reachability Addresses", Note: "kept by the server: the extension while calls to it ring somewhere; no private numbers"},
	{Name: "XEP-0153", Title: "vCard-Based Avatars", Note: "the hash is put into presence by the server"},
	{Name: "XEP-0156", Title: "Discovering Alternative Connection Methods", Note: "host-meta and host-meta.json, for WebSocket and BOSH; they are of use where the HTTP listener is on port 443 of the domain"},
	{Name: "XEP-0160", Title: "Offline Messages", Note: "durable before they are acknowledged", Server: []string{"msgoffline"}},
	{Name: "XEP-0191", Title: "Blocking Command", Note: "both directions, for whole domains and single resources too; holds within shared groups; messages of a blocked room or occupant are dropped, presence in rooms is passed on", Server: []string{nsBlocking}},
	{Name: "XEP-0377", Title: "Spam Reporting", Note: "with a block; written to the log", Server: []string{nsReporting}},
	{Name: "XEP-0198", Title: "Stream Management", Note: "with resumption, for 10 minutes; what is not acknowledged then goes to the user's other clients or is kept"},
	{Name: "XEP-0163", Title: "Personal Eventing Protocol", Note: "+notify by capabilities; newest items to those who come; not by directed presence; people at other servers, too"},
	{Name: "XEP-0172", Title: "User Nickname"},
	{Name: "XEP-0199", Title: "Ping", Server: []string{nsPing}, Account: []string{nsPing}},
	{Name: "XEP-0202", Title: "Entity Time", Server: []string{nsTime}},
	{Name: "XEP-0203", Title: "Delayed Delivery", Note: "on messages that were kept; forged ones are taken out of messages and presence, also in the form of XEP-0091"},
	{Name: "XEP-0178", Title: "Best Practices for Use of SASL EXTERNAL with Certificates", Note: "between servers"},
	{Name: "XEP-0220", Title: "Server Dialback", Note: "under TLS, for servers without a valid certificate, unless they are not wanted; keys as in XEP-0185"},
	{Name: "XEP-0288", Title: "Bidirectional Server-to-Server Connections"},
	{Name: "XEP-0237", Title: "Roster Versioning", Note: "as in RFC 6121, computed contacts included; after a change of shared groups a client that was online gets the whole roster once"},
	{Name: "XEP-0249", Title: "Direct MUC Invitations", Note: "passed on, and part of every mediated invitation"},
	{Name: "XEP-0292", Title: "vCard4 Over XMPP", Note: "as a node; made from the directory, like that of XEP-0054, until the user publishes one; no IQs of its own"},
	{Name: "XEP-0307", Title: "Unique Room Names for Multi-User Chat"},
	{Name: "XEP-0059", Title: "Result Set Management", Note: "in archives, with index and count"},
	{Name: "XEP-0297", Title: "Stanza Forwarding", Note: "from archives"},
	{Name: "XEP-0225", Title: "Component Connections", Note: "at the port of XEP-0114; STARTTLS, then SASL EXTERNAL by the component's certificate, or PLAIN with its secret; several domains on one stream, which its certificate or secret must be good for"},
	{Name: "XEP-0227", Title: "Portable Import/Export Format", Note: "`rolecall xmpp export` and `import`: keys of passwords, contacts, vCards, private data, nodes, block lists, waiting messages, archives and their preferences; nothing of rooms, as the standard wants it; a file may be made of several"},
	{Name: "XEP-0313", Title: "Message Archive Management", Note: "one-to-one messages, and what is said in logged rooms, for those who may enter them; with #extended; kept for the time and up to the number that are set; acknowledged when it is stored", Account: []string{nsArchive, nsArchive + "#extended"}},
	{Name: "XEP-0359", Title: "Stanza IDs", Note: "given to archived messages, forged ones are taken out", Account: []string{nsStanzaID}},
	{Name: "XEP-0441", Title: "Archive Preferences"},
	{Name: "XEP-0166", Title: "Jingle", Note: "passed on between clients; the same holds for 0167, 0176, 0234 and others"},
	{Name: "XEP-0353", Title: "Jingle Message Initiation", Note: "passed on, to all clients of a user that want copies; archived if they ask for it; a call wakes clients that are away"},
	{Name: "XEP-0215", Title: "External Service Discovery", Note: "STUN and TURN servers, with credentials that end by themselves; for this server's users only; changes are not pushed", Server: []string{nsExternal}},
	{Name: "XEP-0280", Title: "Message Carbons", Note: "all rules of §6.1; clients that forge copies are refused", Server: []string{nsCarbons, "urn:xmpp:carbons:rules:0"}, Account: []string{nsCarbons}},
	{Name: "XEP-0334", Title: "Message Processing Hints", Note: "store and no-store"},
	{Name: "XEP-0357", Title: "Push Notifications", Note: "for clients without a session and for those whose session waits for them; one notification a burst, with the number of messages, and sender and text if that is set; calls at once; a service that refuses is disabled; one that is in trouble or cannot be reached is asked again for a day, more and more seldom", Account: []string{nsPush}},
	{Name: "XEP-0363", Title: "HTTP File Upload", Note: "files on disk, each for one PUT, with quota and expiry; asked of the domain itself, or of upload. and the domain", Server: []string{nsUpload}},
	{Name: "XEP-0352", Title: "Client State Indication", Note: "of each client's presence and chat state, in rooms too, an inactive one is sent the last, with the next important stanza"},
	{Name: "XEP-0368", Title: "Direct TLS"},
	{Name: "XEP-0410", Title: "MUC Self-Ping", Note: "the room answers for the client"},
	{Name: "XEP-0317", Title: "Hats", Note: "in rooms, by their commands: admins make, change, give, take and destroy hats, which stay with the room; anybody who may enter lists them; hats that a client puts into its presence are taken out"},
	{Name: "XEP-0486", Title: "MUC Avatars", Note: "the room's vCard, set by its owners; its hash in disco#info and, for clients that look there, in presence of the room's bare address"},
	{Name: "XEP-0421", Title: "Anonymous Unique Occupant Identifiers for MUCs", Note: "the same for the same person in a room"},
	{Name: "XEP-0424", Title: "Message Retraction", Note: "archived; in rooms also taken out of the history, and a tombstone stays in the archive", Account: []string{nsRetract}},
	{Name: "XEP-0425", Title: "Moderated Message Retraction", Note: "of messages that are in the room's history or archive"},
	{Name: "XEP-0386", Title: "Bind 2", Note: "with carbons, stream management, client state and the ends of the archive; the resource is the same for the same installation and tag; if none is to be had the client is left to bind by RFC 6120; messages that were kept are delivered after the first presence, not dropped"},
	{Name: "XEP-0388", Title: "Extensible SASL Profile", Note: "under TLS only; a session may be resumed inline; the only tasks are those of XEP-0480"},
	{Name: "XEP-0398", Title: "User Avatar to vCard-Based Avatars Conversion", Note: "both directions; the picture in the vCard is seen by those who may read the avatar's nodes", Account: []string{"urn:xmpp:pep-vcard-conversion:0"}},
	{Name: "XEP-0402", Title: "PEP Native Bookmarks", Note: "the same bookmarks as in both forms of XEP-0048, whichever a client changes", Account: []string{nsBookmarks + "#compat", nsBookmarks + "#compat-pep"}},
	{Name: "XEP-0411", Title: "Bookmarks Conversion", Account: []string{"urn:xmpp:bookmarks-conversion:0"}},
	{Name: "XEP-0048", Title: "Bookmarks", Note: "as private XML and as a node"},
	{Name: "XEP-0440", Title: "SASL Channel-Binding Type Capability", Note: "tls-exporter, tls-server-end-point, and tls-unique before TLS 1.3"},
	{Name: "XEP-0474", Title: "SASL SCRAM Downgrade Protection", Note: "version 0.4 and later"},
	{Name: "XEP-0478", Title: "Stream Limits Advertisement", Note: "before the login also how long that may take; afterwards there is no limit of silence"},
	{Name: "XEP-0480", Title: "SASL Upgrade Tasks", Note: "UPGR-SCRAM-SHA-256 and UPGR-SCRAM-SHA-512, after SCRAM; PLAIN makes the missing keys without a task"},
	{Name: "XEP-0484", Title: "Fast Authentication Streamlining Tokens", Note: "HT-SHA-256-EXPR, -ENDP and -NONE; a token lives 21 days, is replaced when it is used after a day, and ends with the password; no TLS early data"},
}

// ProtocolsPage returns docs/protocols.md.
func ProtocolsPage() string {
	var b strings.Builder
	b.WriteString("<!-- Made from xmpp/protocols.go by `go test ./xmpp -run TestProtocolsPage -update`. -->\n\n# Supported protocols\n\n")
	b.WriteString("## XMPP\n\n| standard | title | how far |\n|---|---|---|\n")
	sorted := slices.SortedFunc(slices.Values(Protocols), func(a, b Protocol) int { return strings.Compare(a.Name, b.Name) })
	for _, p := range sorted {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", p.Name, p.Title, p.Note)
	}
	b.WriteString("\nPresence carries what the server adds in the namespace `" + nsPresence + "`:\n\n" +
		"    <profile xmlns='" + nsPresence + "' name='Lunch' color='#f0a000' icon='fork' since='2026-03-02T12:00:00Z'/>\n" +
		"    <call xmlns='" + nsPresence + "' since='2026-03-02T10:02:11Z'/>\n\n" +
		"A team among the contacts has this, beside its show and a status in words:\n\n" +
		"    <team xmlns='" + nsPresence + "' in='2' paused='1' members='4' waiting='0'/>\n\n" +
		"Holders of `presence.details`, supervisors and the user's own clients are also told the `reason` of the profile and `with` whom the " +
		"call is; for all others a profile that a Teams meeting caused is just `Busy`.\n\n" +
		"The node `" + nsProfiles + "` of a user's account (XEP-0163) lists the client profiles that the user may choose. Only the user can read it:\n\n" +
		"    <profiles xmlns='" + nsProfiles + "' active='3' reason='chosen by hand' since='2026-03-02T12:00:00Z'>\n" +
		"      <profile id='1' name='Available' show='available'/>\n" +
		"      <profile id='3' name='Lunch' color='#f0a000' icon='fork' show='away' status='Out for lunch' sticky='true'/>\n" +
		"    </profiles>\n\n" +
		"The resource `/phone` stands for a user's telephones; its priority is -1.\n\n## Ad-hoc commands\n\n| node | name |\n|---|---|\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "| `%s` | %s |\n", c.node, c.name)
	}
	return b.String()
}
