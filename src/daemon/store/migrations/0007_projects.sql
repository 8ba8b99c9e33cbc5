-- What people call the projects that this rig has served, for clips that still belong to one of them. id: as items name it.
CREATE TABLE project (
    n    INTEGER PRIMARY KEY,
    id   TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL
) STRICT;
INSERT INTO project (id, name)
    SELECT CASE provider WHEN 1 THEN project_id ELSE provider || char(10) || project_id END, project_name
    FROM device WHERE project_name <> '';
