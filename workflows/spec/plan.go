package spec

// Dependents are what hangs on a live table. Views are known by their text: one that names the table counts. Each list is
// short; its last entry says how many more there are.
type Dependents struct {
	MaterializedViews []string `json:"materializedViews,omitempty"` // async ones, in any database
	Views             []string `json:"views,omitempty"`             // logical ones, in any database
	RoutineLoads      []string `json:"routineLoads,omitempty"`
	Grants            int      `json:"grants,omitempty"` // privileges on the table
	ColocateGroup     string   `json:"colocateGroup,omitempty"`
	DynamicPartitions bool     `json:"dynamicPartitions,omitempty"`
}

// Empty says that nothing hangs on the table.
func (d Dependents) Empty() bool {
	return len(d.MaterializedViews)+len(d.Views)+len(d.RoutineLoads)+d.Grants == 0 && d.ColocateGroup == "" && !d.DynamicPartitions
}

// PlanSpace is the room that a restore needs on the BEs' disks and finds there, in bytes over all replicas. After a swap
// the old table's room is taken until the undo window ends, so it is needed beside it.
type PlanSpace struct {
	Needed    int64          `json:"needed"`
	Available int64          `json:"available"` // of all BEs that are alive; 0 where one does not say
	Backends  []BackendSpace `json:"backends,omitempty"`
}

// BackendSpace is one BE's share of PlanSpace: StarRocks places new tablets evenly.
type BackendSpace struct {
	Backend   int64  `json:"backend"`
	Host      string `json:"host"`
	Needed    int64  `json:"needed"`
	Available int64  `json:"available"` // 0: not known
}

// PlanEstimate is how long a restore may take, and how that was guessed.
type PlanEstimate struct {
	Seconds        int64  `json:"seconds"`
	Statements     int    `json:"statements"`              // RESTORE statements, one for each unit
	DownloadBytes  int64  `json:"downloadBytes,omitempty"` // copied first: of units whose parts lie in several native snapshots
	BytesPerSecond int64  `json:"bytesPerSecond"`
	Basis          string `json:"basis"` // in words
}
