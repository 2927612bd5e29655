package spec

// Status tells how old the newest restore points of each database are.
type Status struct {
	Databases []DatabaseStatus `json:"databases"`
	Mirrors   []MirrorStatus   `json:"mirrors,omitempty"`
	// Unknown says what could not be looked at, so that nothing is known of it.
	Unknown []string `json:"unknown,omitempty"`
}

// DatabaseStatus is one database of a cluster, and the newest of each kind that there is of it, in whichever repository.
type DatabaseStatus struct {
	Cluster  string `json:"cluster"`
	Database string `json:"database"`
	// Good is the newest restore point that holds all of the database that a backup was asked for.
	Good *DatabasePoint `json:"good,omitempty"`
	// Part is a newer one that is not whole: a part failed, the backup named single tables, or its last verification found
	// damage.
	Part *DatabasePoint `json:"part,omitempty"`
	// Verified is the newest Good one that a verification found whole.
	Verified *DatabasePoint `json:"verified,omitempty"`
	// Drilled is the last drill that restored and proved a table of the database.
	Drilled *DatabasePoint `json:"drilled,omitempty"`
	// Goal is the one that counts for the database.
	Goal *Goal `json:"goal,omitempty"`
}

// DatabasePoint is a restore point of a database.
type DatabasePoint struct {
	Point string `json:"point"`
	At    string `json:"at"`    // RFC 3339, UTC: when the backup began; of Drilled: when the drill was
	Where string `json:"where"` // profile of the repository, or of the mirror that was verified
}

// MirrorStatus tells which restore points a mirror lacks that were to be copied there.
type MirrorStatus struct {
	Mirror     string `json:"mirror"`
	Cluster    string `json:"cluster"`
	Repository string `json:"repository"`
	Behind     int    `json:"behind"`          // points; at least, where there are many
	Since      string `json:"since,omitempty"` // RFC 3339, UTC: when the oldest of them began
}
