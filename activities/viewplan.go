package activities

import (
	"context"

	"github.com/klauspost/compress/zstd"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// viewPlanFormat is the version of the files of ViewPlan.
const viewPlanFormat = 1

// maxViewPlanBytes bounds such a file, unpacked.
const maxViewPlanBytes = 256 << 20

// ViewPlan is what a restore will do to views and functions, of all databases. It is written once and never changed.
type ViewPlan struct {
	Format  int           `json:"format"`
	Point   string        `json:"point"`
	Objects []PlannedView `json:"objects"` // in the order in which they are created: what is read comes first
	Changed []string      `json:"changed"` // tables that exist and get other data: "db.table"
}

// PlannedView is one view, materialized view or function of a ViewPlan.
type PlannedView struct {
	Kind      string               `json:"kind"`     // a spec.Kind… constant
	Database  string               `json:"database"` // where it goes
	Name      string               `json:"name"`     // of a function with its arguments
	From      string               `json:"from"`     // "db.name" in the restore point
	Action    string               `json:"action"`   // a spec.Action… constant
	Statement string               `json:"statement,omitempty"`
	Old       string               `json:"old,omitempty"` // what CREATE OR REPLACE VIEW is to replace
	Function  *starrocks.Function  `json:"function,omitempty"`
	Reads     []string             `json:"reads,omitempty"` // as in the target
	Grants    []restorepoint.Grant `json:"grants,omitempty"`
	Asked     bool                 `json:"asked,omitempty"` // the selection names it without globs
	Note      string               `json:"note,omitempty"`
}

func (v PlannedView) id() string { return v.Database + "." + v.Name }

// row is the beginning of what is told of it.
func (v PlannedView) row(done string) spec.RestoredView {
	return spec.RestoredView{Database: v.Database, Name: v.Name, Kind: v.Kind, Done: done, Asked: v.Asked}
}

// byHand is the row of what could not be done, with the statement that would do it.
func (v PlannedView) byHand(done, reason string) spec.RestoredView {
	row := v.row(done)
	row.Reason, row.Statement = shortened(reason), shortenedStatement(v.Statement)
	return row
}

// shortenedStatement leaves out a statement that is too long for a history: the restore point holds it. A piece of one
// would be worse than none.
func shortenedStatement(text string) string {
	if len(text) > maxReason {
		return ""
	}
	return text
}

// PlannedViews is a ViewPlan as a history holds it.
type PlannedViews struct {
	Plan     PlanRef `json:"plan"`
	Objects  int     `json:"objects"`
	Replaces int     `json:"replaces,omitempty"` // views whose definition is exchanged: undo puts it back
}

// ViewsRef says which plan of views an activity works on.
type ViewsRef struct {
	Cluster    string  `json:"cluster"`
	Repository string  `json:"repository"`
	Plan       PlanRef `json:"plan"`
}

// viewPlanFile is the file's name among the plans of databases: no database can have it.
const viewPlanFile = "~views"

func (p *ViewPlan) pack(cluster, run string) (packedPlan, error) {
	p.Format = viewPlanFormat
	return packPlan(restorepoint.PlanKey(cluster, run, viewPlanFile), "views", p)
}

func readViewPlan(ctx context.Context, store storage.Store, ref PlanRef) (*ViewPlan, error) {
	var p ViewPlan
	if err := unpackPlan(ctx, store, ref, &p, zstd.WithDecoderMaxMemory(maxViewPlanBytes)); err != nil {
		return nil, err
	}
	if err := planFormatKnown(ref, p.Format, viewPlanFormat); err != nil {
		return nil, err
	}
	return &p, nil
}

// viewWork is a ViewsRef with all it needs resolved.
type viewWork struct {
	cluster *Cluster
	plan    *ViewPlan
}

func (a *Activities) resolveViews(ctx context.Context, ref ViewsRef) (*viewWork, error) {
	c, r, err := a.both(ref.Cluster, ref.Repository)
	if err != nil {
		return nil, err
	}
	p, err := readViewPlan(ctx, r.Store, ref.Plan)
	if err != nil {
		return nil, err
	}
	return &viewWork{cluster: c, plan: p}, nil
}
