-- Memberships lie with those of the same profile: whoever enters several audiences at once writes to one place.
CREATE TABLE memberships_by_person (
    profile_id $int NOT NULL,
    number $int NOT NULL,
    since $int NOT NULL,
    space TEXT NOT NULL,
    until $int,
    entered $blob NOT NULL,
    exited $blob,
    PRIMARY KEY (profile_id, number, since)
) $clustered;
INSERT INTO memberships_by_person (profile_id, number, since, space, until, entered, exited)
    SELECT profile_id, number, since, space, until, entered, exited FROM memberships;
DROP TABLE memberships;
ALTER TABLE memberships_by_person RENAME TO memberships;
CREATE INDEX members ON memberships (space, number, until, profile_id, since);
CREATE INDEX memberships_by_end ON memberships (space, until) WHERE until IS NOT NULL;

UPDATE meta SET value = 4 WHERE name IN ('schema', 'oldest');
