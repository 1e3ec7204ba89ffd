-- Chat rooms that survive restarts, and who belongs to them.

CREATE TABLE rooms (
	name     TEXT PRIMARY KEY,
	created  BIGINT NOT NULL,
	settings TEXT NOT NULL, -- JSON
	subject  TEXT NOT NULL  -- JSON
);

CREATE TABLE room_members (
	room        TEXT NOT NULL REFERENCES rooms (name) ON DELETE CASCADE,
	jid         TEXT NOT NULL,
	affiliation TEXT NOT NULL,
	nick        TEXT NOT NULL,
	reason      TEXT NOT NULL,
	PRIMARY KEY (room, jid)
);
