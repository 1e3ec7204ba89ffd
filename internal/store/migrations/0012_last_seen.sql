-- When users came and went, and of which message of the day they know. Times are 0 where there was none.

CREATE TABLE last_seen (
	user_id BIGINT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
	login   BIGINT NOT NULL,
	logout  BIGINT NOT NULL,
	status  TEXT NOT NULL, -- said when leaving
	told    BIGINT NOT NULL -- the message of the day that was set then
);
