-- What the engines keep: profile states and their journal, contacts and messages, registrations and calls.

CREATE TABLE profile_states (
	user_id      BIGINT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
	effective_id BIGINT NOT NULL,
	since        BIGINT NOT NULL,
	reason       TEXT NOT NULL,
	base         TEXT NOT NULL, -- JSON
	overlays     TEXT NOT NULL, -- JSON
	memory       {bytes},
	version      BIGINT NOT NULL
);

-- The journal outlives the users and profiles that it names.
CREATE TABLE journal (
	id         {serial},
	at         BIGINT NOT NULL,
	user_id    BIGINT NOT NULL,
	from_id    BIGINT NOT NULL,
	from_name  TEXT NOT NULL,
	to_id      BIGINT NOT NULL,
	to_name    TEXT NOT NULL,
	cause      TEXT NOT NULL,
	cause_text TEXT NOT NULL,
	by_user    BIGINT,
	by_name    TEXT NOT NULL,
	by_via     TEXT NOT NULL,
	reason     TEXT NOT NULL,
	actions    TEXT NOT NULL, -- JSON
	undone     BOOLEAN NOT NULL,
	unfinished BOOLEAN NOT NULL -- an action has no result yet
);
CREATE INDEX journal_by_user ON journal (user_id, id);
CREATE INDEX journal_unfinished ON journal (id) WHERE unfinished;

CREATE TABLE roster_items (
	user_id      BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	jid          TEXT NOT NULL,
	name         TEXT NOT NULL,
	groups       TEXT NOT NULL, -- JSON
	subscription TEXT NOT NULL,
	ask          BOOLEAN NOT NULL,
	approved     BOOLEAN NOT NULL,
	pending_in   {bytes},
	PRIMARY KEY (user_id, jid)
);

CREATE TABLE offline_messages (
	id      {serial},
	user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	at      BIGINT NOT NULL,
	stanza  {bytes} NOT NULL
);
CREATE INDEX offline_messages_by_user ON offline_messages (user_id, id);

CREATE TABLE vcards (
	user_id BIGINT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
	xml     {bytes} NOT NULL
);

CREATE TABLE bindings (
	device_id BIGINT NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
	contact   TEXT NOT NULL,
	transport TEXT NOT NULL,
	source    TEXT NOT NULL,
	agent     TEXT NOT NULL,
	call_id   TEXT NOT NULL,
	cseq      BIGINT NOT NULL,
	path      TEXT NOT NULL, -- JSON
	instance  TEXT NOT NULL,
	expires   BIGINT NOT NULL,
	PRIMARY KEY (device_id, contact)
);

-- Call records outlive the users, teams and devices that they name.
CREATE TABLE call_records (
	call_id       TEXT PRIMARY KEY,
	state         TEXT NOT NULL,
	class         TEXT NOT NULL,
	caller_user   BIGINT,
	caller_team   BIGINT,
	caller_device BIGINT,
	caller_number TEXT NOT NULL,
	caller_name   TEXT NOT NULL,
	called_user   BIGINT,
	called_team   BIGINT,
	called_device BIGINT,
	called_number TEXT NOT NULL,
	called_name   TEXT NOT NULL,
	legs          TEXT NOT NULL, -- JSON
	began         BIGINT NOT NULL,
	answered      BIGINT NOT NULL,
	ended         BIGINT NOT NULL,
	cause         TEXT NOT NULL,
	path          TEXT NOT NULL, -- JSON
	version       BIGINT NOT NULL
);
CREATE INDEX call_records_by_began ON call_records (began);

CREATE TABLE settings (
	name  TEXT PRIMARY KEY,
	value {bytes} NOT NULL
);
