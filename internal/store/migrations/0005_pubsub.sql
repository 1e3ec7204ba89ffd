-- What users publish (personal eventing): nodes and their items.

CREATE TABLE pubsub_nodes (
	user_id  BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	name     TEXT NOT NULL,
	settings {bytes} NOT NULL, -- JSON
	PRIMARY KEY (user_id, name)
);

CREATE TABLE pubsub_items (
	seq       {serial}, -- an item that is published again becomes the newest
	user_id   BIGINT NOT NULL,
	node      TEXT NOT NULL,
	id        TEXT NOT NULL,
	publisher TEXT NOT NULL,
	at        BIGINT NOT NULL,
	payload   {bytes} NOT NULL,
	UNIQUE (user_id, node, id),
	FOREIGN KEY (user_id, node) REFERENCES pubsub_nodes (user_id, name) ON DELETE CASCADE
);
