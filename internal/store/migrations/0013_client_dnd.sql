-- Whether "do not disturb" of a chat client switches the user's profile.

ALTER TABLE users ADD COLUMN client_dnd BOOLEAN NOT NULL DEFAULT FALSE;
