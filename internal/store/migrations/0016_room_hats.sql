-- The hats of chat rooms (XEP-0317), and their vCards (XEP-0486).

ALTER TABLE rooms ADD COLUMN hats TEXT NOT NULL DEFAULT '{}'; -- JSON
ALTER TABLE rooms ADD COLUMN card {bytes}; -- NULL: none
