-- Tokens with which clients log in without the password. An installation has at most two: the one in use and its successor.

CREATE TABLE fast_tokens (
	user_id   BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	client    TEXT NOT NULL,
	fresh     BOOLEAN NOT NULL,
	mechanism TEXT NOT NULL,
	token_key {bytes} NOT NULL,
	password  {bytes} NOT NULL,
	issued    BIGINT NOT NULL,
	expires   BIGINT NOT NULL,
	count     BIGINT NOT NULL,
	PRIMARY KEY (user_id, client, fresh)
);
