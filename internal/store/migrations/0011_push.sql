-- Where the clients of users who are away want to be told of messages (XEP-0357).

CREATE TABLE push_targets (
	user_id  BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	service  TEXT NOT NULL,
	node     TEXT NOT NULL,
	resource TEXT NOT NULL,
	options  {bytes} NOT NULL,
	since    BIGINT NOT NULL,
	PRIMARY KEY (user_id, service, node)
);
