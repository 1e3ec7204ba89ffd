-- People, things and live switches. Lists are JSON; identifiers come from sequences and are never used twice.

CREATE TABLE directory_version (version BIGINT NOT NULL);
INSERT INTO directory_version (version) VALUES (0);

CREATE TABLE sequences (
	kind TEXT PRIMARY KEY,
	last BIGINT NOT NULL
);

CREATE TABLE users (
	id                   BIGINT PRIMARY KEY,
	login                TEXT NOT NULL UNIQUE,
	name                 TEXT NOT NULL,
	ext                  TEXT NOT NULL,
	auth                 TEXT NOT NULL,
	password             TEXT NOT NULL, -- SCRAM keys, JSON
	pin_hash             TEXT NOT NULL,
	must_change_password BOOLEAN NOT NULL,
	call_waiting         BOOLEAN NOT NULL,
	fax_ext              TEXT NOT NULL,
	email                TEXT NOT NULL,
	language             TEXT NOT NULL,
	voicemail            TEXT NOT NULL,
	mobile_number        TEXT NOT NULL,
	caller_id            TEXT NOT NULL,
	time_zone            TEXT NOT NULL,
	phonebook_hidden     BOOLEAN NOT NULL,
	monitored_boxes      TEXT NOT NULL, -- JSON
	admin_level          TEXT NOT NULL,
	teams_id             TEXT NOT NULL,
	teams_upn            TEXT NOT NULL
);
CREATE UNIQUE INDEX users_by_ext ON users (ext) WHERE ext <> '';

CREATE TABLE locations (
	id    BIGINT PRIMARY KEY,
	name  TEXT NOT NULL,
	users TEXT NOT NULL -- JSON
);

CREATE TABLE user_states (
	user_id      BIGINT PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
	gsm          BOOLEAN NOT NULL,
	workplace_id BIGINT REFERENCES locations (id) DEFERRABLE INITIALLY DEFERRED,
	status_text  TEXT NOT NULL,
	set_by       TEXT NOT NULL
);

CREATE TABLE devices (
	id         BIGINT PRIMARY KEY,
	name       TEXT NOT NULL,
	kind       TEXT NOT NULL,
	number     TEXT NOT NULL,
	sip_user   TEXT NOT NULL,
	sip_secret TEXT NOT NULL
);
CREATE UNIQUE INDEX devices_by_sip_user ON devices (sip_user) WHERE sip_user <> '';

CREATE TABLE assignments (
	id                BIGINT PRIMARY KEY,
	device_id         BIGINT NOT NULL REFERENCES devices (id) DEFERRABLE INITIALLY DEFERRED,
	user_id           BIGINT REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED,
	location_id       BIGINT REFERENCES locations (id) DEFERRABLE INITIALLY DEFERRED,
	user_configurable BOOLEAN NOT NULL,
	internal_enabled  BOOLEAN NOT NULL,
	internal_delay    BIGINT NOT NULL, -- seconds
	internal_timeout  BIGINT NOT NULL, -- seconds
	internal_set_by   TEXT NOT NULL,
	external_enabled  BOOLEAN NOT NULL,
	external_delay    BIGINT NOT NULL,
	external_timeout  BIGINT NOT NULL,
	external_set_by   TEXT NOT NULL,
	queue_enabled     BOOLEAN NOT NULL,
	queue_delay       BIGINT NOT NULL,
	queue_timeout     BIGINT NOT NULL,
	queue_set_by      TEXT NOT NULL
);
CREATE INDEX assignments_by_device ON assignments (device_id);
CREATE INDEX assignments_by_user ON assignments (user_id);
CREATE INDEX assignments_by_location ON assignments (location_id);

CREATE TABLE teams (
	id             BIGINT PRIMARY KEY,
	name           TEXT NOT NULL,
	ext            TEXT NOT NULL,
	prefix         TEXT NOT NULL,
	strategy       TEXT NOT NULL,
	member_timeout BIGINT NOT NULL, -- seconds
	wrap_up        BIGINT NOT NULL, -- seconds
	max_waiting    BIGINT NOT NULL,
	overflow       TEXT NOT NULL
);
CREATE UNIQUE INDEX teams_by_ext ON teams (ext) WHERE ext <> '';

CREATE TABLE members (
	id        BIGINT PRIMARY KEY,
	team_id   BIGINT NOT NULL REFERENCES teams (id) DEFERRABLE INITIALLY DEFERRED,
	user_id   BIGINT NOT NULL REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED,
	static    BOOLEAN NOT NULL,
	logged_in BOOLEAN NOT NULL,
	paused    BOOLEAN NOT NULL,
	reason    TEXT NOT NULL,
	weight    BIGINT NOT NULL,
	set_by    TEXT NOT NULL,
	UNIQUE (team_id, user_id)
);
CREATE INDEX members_by_user ON members (user_id);

CREATE TABLE roles (
	id             BIGINT PRIMARY KEY,
	title          TEXT NOT NULL,
	description    TEXT NOT NULL,
	types          TEXT NOT NULL, -- JSON, as are the five lists below
	users          TEXT NOT NULL,
	devices        TEXT NOT NULL,
	locations      TEXT NOT NULL,
	teams          TEXT NOT NULL,
	auto_users     BOOLEAN NOT NULL,
	auto_devices   BOOLEAN NOT NULL,
	auto_locations BOOLEAN NOT NULL,
	auto_teams     BOOLEAN NOT NULL,
	supervises     TEXT NOT NULL
);

CREATE TABLE profiles (
	id            BIGINT PRIMARY KEY,
	name          TEXT NOT NULL,
	color         TEXT NOT NULL,
	icon          TEXT NOT NULL,
	icon_visible  BOOLEAN NOT NULL,
	sticky        BOOLEAN NOT NULL,
	roles         TEXT NOT NULL, -- JSON
	shown         TEXT NOT NULL,
	status_text   TEXT NOT NULL,
	triggers      TEXT NOT NULL, -- JSON
	enter_actions TEXT NOT NULL, -- JSON
	leave_actions TEXT NOT NULL, -- JSON
	undo_on_leave BOOLEAN NOT NULL,
	assigned      TEXT NOT NULL,
	owner_id      BIGINT REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX profiles_by_owner ON profiles (owner_id);

CREATE TABLE forwardings (
	id      BIGINT PRIMARY KEY,
	user_id BIGINT NOT NULL REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED,
	kind    TEXT NOT NULL,
	class   TEXT NOT NULL,
	target  TEXT NOT NULL,
	active  BOOLEAN NOT NULL,
	set_by  TEXT NOT NULL
);
CREATE INDEX forwardings_by_user ON forwardings (user_id);

CREATE TABLE flow_lines (
	id       BIGINT PRIMARY KEY,
	user_id  BIGINT REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED,
	team_id  BIGINT REFERENCES teams (id) DEFERRABLE INITIALLY DEFERRED,
	list     TEXT NOT NULL,
	position BIGINT NOT NULL,
	status   TEXT NOT NULL,
	action   TEXT NOT NULL,
	target   TEXT NOT NULL
);
CREATE INDEX flow_lines_by_user ON flow_lines (user_id);
CREATE INDEX flow_lines_by_team ON flow_lines (team_id);

CREATE TABLE phonebook (
	id           BIGINT PRIMARY KEY,
	owner_id     BIGINT REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED,
	name         TEXT NOT NULL,
	organisation TEXT NOT NULL,
	numbers      TEXT NOT NULL, -- JSON
	email        TEXT NOT NULL,
	notes        TEXT NOT NULL
);
CREATE INDEX phonebook_by_owner ON phonebook (owner_id);

-- Who changed what. It outlives the users it names.
CREATE TABLE audit (
	id      {serial},
	at      BIGINT NOT NULL, -- nanoseconds since 1970 UTC, as are all times
	by_user BIGINT,
	by_name TEXT NOT NULL,
	by_via  TEXT NOT NULL,
	text    TEXT NOT NULL,
	refs    TEXT NOT NULL -- JSON
);
