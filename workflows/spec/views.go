package spec

// The kinds of objects that a backup keeps as text.
const (
	KindView             = "view"
	KindMaterializedView = "materialized view"
	KindFunction         = "function"
)

// What a restore plans for a view or function, beside ActionCreate and ActionRefuse.
const (
	ActionReplaceView = "replace view" // a logical view with another definition: CREATE OR REPLACE VIEW
	ActionLeave       = "leave alone"  // it exists as it was, or in another form that is not touched
	ActionReactivate  = "reactivate"   // a materialized view that reads a table of the plan: activated and refreshed
	ActionByHand      = "by hand"      // nothing is done; the note says what to run
)

// RestoredView says what became of a view, materialized view or function.
type RestoredView struct {
	Database  string `json:"database"`
	Name      string `json:"name"`                // of functions with their arguments
	Kind      string `json:"kind"`                // a Kind… constant
	Done      string `json:"done"`                // a View… constant
	Refresh   string `json:"refresh,omitempty"`   // of a materialized view: how its refresh ended, "" for none
	Reason    string `json:"reason,omitempty"`    // why it is not as it should be
	Statement string `json:"statement,omitempty"` // to run by hand
	// Asked: the selection names it without globs, so that a failure of it is one of the restore.
	Asked bool `json:"asked,omitempty"`
}

// What became of a view or function.
const (
	ViewCreated    = "created"
	ViewReplaced   = "replaced"
	ViewLeft       = "left alone"
	ViewActive     = "active"      // a materialized view that was or is active again
	ViewInactive   = "inactive"    // a materialized view that could not be activated
	ViewNotCreated = "not created" //
	ViewUndone     = "put back"    // undo: it has its old definition again
	ViewByHand     = "left to you" // the statement is to be run by hand
)

// OK tells whether nothing is left to do about it.
func (v RestoredView) OK() bool {
	switch v.Done {
	case ViewInactive, ViewNotCreated, ViewByHand:
		return false
	}
	return v.Reason == ""
}

// ReplacedViews points to the plan that holds the old definitions of views.
type ReplacedViews struct {
	Repository string `json:"repository"` // name of the profile
	Key        string `json:"key"`        // of the plan file in it
	SHA256     string `json:"sha256"`
}
