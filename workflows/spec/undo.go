package spec

// UndoWindow is the input of the workflow that keeps the old tables after a swap. A Restore starts it; nobody else should.
type UndoWindow struct {
	Cluster string         `json:"cluster"`
	Restore string         `json:"restore"` // workflow id of the restore
	Keep    Duration       `json:"keep"`
	Tables  []SwappedTable `json:"tables"`
	// Safety is the restore point of what was replaced or overwritten; undo restores it.
	Safety *SafetyPoint `json:"safety,omitempty"`
	// Views are the views that the restore replaced; undo gives them their old definitions.
	Views *ReplacedViews `json:"views,omitempty"`

	problems problems
}

// UnmarshalJSON remembers what is wrong instead of failing; Validate reports it.
func (u *UndoWindow) UnmarshalJSON(data []byte) error {
	type fields UndoWindow
	var f fields
	found := decode(data, &f)
	*u = UndoWindow(f)
	u.problems = found
	return nil
}

// Validate tells what is wrong with the input.
func (u UndoWindow) Validate() error {
	p := append(problems(nil), u.problems...)
	if len(p) == 0 {
		p.checkName("cluster", u.Cluster, true)
		p.checkNotNegative("keep", int64(u.Keep))
		if len(u.Tables) == 0 && u.Safety == nil && u.Views == nil {
			p.add(`field "tables" is missing; a Restore starts this workflow, nobody else should`)
		}
	}
	return p.err()
}

// SwappedTable names both tables of a swap. Ids decide, names only show where to look.
type SwappedTable struct {
	Database   string `json:"database"`
	Table      string `json:"table"`             // the live name
	Before     string `json:"before"`            // name of the old table now
	Beside     string `json:"beside"`            // name the new table gets when the swap is undone
	OldID      int64  `json:"oldId"`             // id of the old table
	NewID      int64  `json:"newId"`             // id of the restored table
	Dynamic    bool   `json:"dynamic,omitempty"` // dynamic partitioning was on, and is off until undo or finish
	OldVersion int64  `json:"oldVersion"`        // sum of the old table's visible versions right after the swap: loads in flight raise it
	NewVersion int64  `json:"newVersion"`        // the same of the restored table: later loads raise it
}

// UndoResult answers "undo" and "finish".
type UndoResult struct {
	// Restore is the workflow id of the restore that puts back what was replaced or overwritten; it goes on by itself.
	Restore  string         `json:"restore,omitempty"`
	Tables   []UndoneTable  `json:"tables"`
	Views    []RestoredView `json:"views,omitempty"` // what became of the views that were replaced, or that read the tables
	Warnings []string       `json:"warnings,omitempty"`
}

// UndoneTable says what became of one table.
type UndoneTable struct {
	Database string `json:"database"`
	Table    string `json:"table"`
	Done     string `json:"done"`           // "swapped back", "dropped", "left alone: …"
	Kept     string `json:"kept,omitempty"` // name under which the other table is kept
}
