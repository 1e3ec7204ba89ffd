-- The messages that users have sent and received (XEP-0313).

CREATE TABLE archive (
	user_id  BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	id       BIGINT NOT NULL, -- the time in nanoseconds since 1970 UTC, made unique
	peer     TEXT NOT NULL,   -- bare JID of the other side
	resource TEXT NOT NULL,   -- the other side's resource, if any
	stanza   {bytes} NOT NULL,
	PRIMARY KEY (user_id, id)
);
CREATE INDEX archive_by_peer ON archive (user_id, peer, id);
CREATE INDEX archive_by_id ON archive (id);

CREATE TABLE archive_preferences (
	user_id  BIGINT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
	standard TEXT NOT NULL,
	always   TEXT NOT NULL, -- JSON
	never    TEXT NOT NULL  -- JSON
);
