-- Whom users have blocked (XEP-0191), and what their clients keep for themselves (XEP-0049).

CREATE TABLE blocked (
	user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	jid     TEXT NOT NULL,
	PRIMARY KEY (user_id, jid)
);

CREATE TABLE private_xml (
	user_id   BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
	namespace TEXT NOT NULL,
	name      TEXT NOT NULL,
	xml       {bytes} NOT NULL,
	PRIMARY KEY (user_id, namespace, name)
);
