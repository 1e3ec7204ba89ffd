-- What was said in chat rooms (XEP-0313 §5.1.2).

CREATE TABLE room_archive (
	room     TEXT NOT NULL,    -- localpart; the room need not be a persistent one
	id       BIGINT NOT NULL,  -- the time in nanoseconds since 1970 UTC, made unique
	peer     TEXT NOT NULL,    -- bare JID of who sent it
	resource TEXT NOT NULL,    -- nick of who sent it
	seen     BOOLEAN NOT NULL, -- all occupants could see who sent it
	stanza   {bytes} NOT NULL,
	PRIMARY KEY (room, id)
);
CREATE INDEX room_archive_by_id ON room_archive (id);
