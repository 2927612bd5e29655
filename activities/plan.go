package activities

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// planFormat is the version of the plan files. A worker refuses a plan of another one: runs do not outlive it.
const planFormat = 1

// maxPlanBytes bounds a plan file in the store: about a million partitions.
const maxPlanBytes = 256 << 20

// PlanRef names a plan file in a repository. Histories hold the reference, never the plan.
type PlanRef struct {
	Key    string `json:"key"`
	SHA256 string `json:"sha256"`
}

// Plan is what a run will do to one database. It is written once and never changed.
type Plan struct {
	Format        int                 `json:"format"`
	Statement     starrocks.JobKind   `json:"statement"`
	Cluster       string              `json:"cluster"`
	Repository    string              `json:"repository"`
	Database      string              `json:"database"`                // where the statements run
	Source        string              `json:"source,omitempty"`        // restore: the database's name in the restore point
	SourceCluster string              `json:"sourceCluster,omitempty"` // restore: the cluster that made the point
	SourceVersion string              `json:"sourceVersion,omitempty"` // restore: of the StarRocks that the point is of; "" if it is not known
	Point         string              `json:"point"`                   // the restore point to be made, or restored
	Fingerprint   string              `json:"fingerprint,omitempty"`   // backup: a spec.Fingerprint… constant, or ""
	From          string              `json:"from,omitempty"`          // restore: repository profile that holds the point, if not Repository
	Export        string              `json:"export,omitempty"`        // restore: label of the native snapshot to be kept; it was free when the plan was made
	Base          string              `json:"base,omitempty"`          // incremental backup: the restore point that it was compared with
	Carried       []CarriedTable      `json:"carried,omitempty"`       // incremental backup: what is taken over from Base
	Parts         []restorepoint.Part `json:"parts"`
	Tables        []PlanTable         `json:"tables"`

	Objects    restorepoint.Objects        `json:"objects,omitzero"` // backup: views and functions, as text
	NotCovered []restorepoint.NotCovered   `json:"notCovered,omitempty"`
	Refused    []restorepoint.FailedObject `json:"refused,omitempty"` // selected, but known not to work
}

func (p *Plan) refuse(table, partition, reason string) {
	p.Refused = append(p.Refused, restorepoint.FailedObject{Database: p.Database, Table: table, Partition: partition, Reason: reason})
}

func (p *Plan) isRefused(table string) bool {
	return slices.ContainsFunc(p.Refused, func(f restorepoint.FailedObject) bool { return f.Table == table && f.Partition == "" })
}

// PlanTable is one table of a Plan, with what a run must know or keep of it.
type PlanTable struct {
	Table   restorepoint.Table `json:"table"`             // as it goes into, or stands in, the manifest; without partitions
	Target  string             `json:"target,omitempty"`  // restore: the name it ends with
	As      string             `json:"as,omitempty"`      // restore: the name RESTORE creates it under
	Action  string             `json:"action,omitempty"`  // restore: a spec.Action… constant
	LiveID  int64              `json:"liveId,omitempty"`  // restore: id of the table that stands in the way, for the exchange
	Dynamic bool               `json:"dynamic,omitempty"` // restore: the live table has dynamic partitioning on
	Columns []string           `json:"columns,omitempty"` // restore: of the live table, those that an INSERT names
}

// laneOf is the lane of a planned table's parts: those of existing tables that are changed stay apart from all others.
func laneOf(action string) string {
	switch action {
	case spec.ActionAdd, spec.ActionReplace, spec.ActionOverwrite:
		return action
	}
	return ""
}

// table finds the planned table of a part.
func (p *Plan) table(part restorepoint.Part) (PlanTable, bool) {
	for _, t := range p.Tables {
		if t.Table.Name == part.Table && p.lane(t.Table.Name, t.As, t.Action) == part.Lane {
			return t, true
		}
	}
	return PlanTable{}, false
}

// packedPlan is a plan as it is stored. Plans are stored together, when all of them are known to stand.
type packedPlan struct {
	ref      PlanRef
	database string
	data     []byte
}

// pack encodes the plan. The same plan gives the same bytes.
func (p *Plan) pack(key string) (packedPlan, error) {
	p.Format = planFormat
	return packPlan(key, p.Database, p)
}

func packPlan(key, database string, plan any) (packedPlan, error) {
	var packed bytes.Buffer
	encoder, err := zstd.NewWriter(&packed, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return packedPlan{}, err
	}
	if err := json.NewEncoder(encoder).Encode(plan); err != nil {
		return packedPlan{}, fmt.Errorf("encode the plan of database %s: %w", database, err)
	}
	if err := encoder.Close(); err != nil {
		return packedPlan{}, err
	}
	sum := sha256.Sum256(packed.Bytes())
	return packedPlan{ref: PlanRef{Key: key, SHA256: hex.EncodeToString(sum[:])}, database: database, data: packed.Bytes()}, nil
}

// writePlans stores plans. Storing them again does no harm.
func writePlans(ctx context.Context, store storage.Store, plans []packedPlan) error {
	for _, p := range plans {
		if err := storage.WriteAll(ctx, store, p.ref.Key, p.data, storage.Overwrite); err != nil {
			return fmt.Errorf("write the plan of database %s: %w", p.database, err)
		}
	}
	return nil
}

// planCache keeps the plan read last per database job: the activities of a unit follow each other.
type planCache struct {
	mu    sync.Mutex
	order []PlanRef
	plans map[PlanRef]*Plan
}

const cachedPlans = 16

// plan reads a plan file, checked against its digest.
func (a *Activities) plan(ctx context.Context, store storage.Store, ref PlanRef) (*Plan, error) {
	a.plans.mu.Lock()
	cached := a.plans.plans[ref]
	a.plans.mu.Unlock()
	if cached != nil {
		return cached, nil
	}
	p, err := readPlan(ctx, store, ref)
	if err != nil {
		return nil, err
	}
	a.plans.keep(ref, p)
	return p, nil
}

func (c *planCache) keep(ref PlanRef, p *Plan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.plans == nil {
		c.plans = map[PlanRef]*Plan{}
	}
	if len(c.order) == cachedPlans {
		delete(c.plans, c.order[0])
		c.order = c.order[1:]
	}
	c.order = append(c.order, ref)
	c.plans[ref] = p
}

func readPlan(ctx context.Context, store storage.Store, ref PlanRef) (*Plan, error) {
	var p Plan
	if err := unpackPlan(ctx, store, ref, &p); err != nil {
		return nil, err
	}
	if err := planFormatKnown(ref, p.Format, planFormat); err != nil {
		return nil, err
	}
	return &p, nil
}

// unpackPlan reads a plan's file, checked against its digest.
func unpackPlan(ctx context.Context, store storage.Store, ref PlanRef, plan any, limits ...zstd.DOption) error {
	packed, err := storage.ReadAll(ctx, store, ref.Key, maxPlanBytes)
	if err != nil {
		return fmt.Errorf("read the plan: %w", err)
	}
	if sum := sha256.Sum256(packed); hex.EncodeToString(sum[:]) != ref.SHA256 {
		return fail(spec.ErrorChecksumMismatch, "the plan %s was changed since it was made; start the run anew", ref.Key)
	}
	decoder, err := zstd.NewReader(nil, append(limits, zstd.WithDecoderConcurrency(1))...)
	if err != nil {
		return err
	}
	defer decoder.Close()
	raw, err := decoder.DecodeAll(packed, nil)
	if err != nil {
		return fmt.Errorf("unpack the plan %s: %w", ref.Key, err)
	}
	if err := json.Unmarshal(raw, plan); err != nil {
		return fmt.Errorf("decode the plan %s: %w", ref.Key, err)
	}
	return nil
}

// planFormatKnown refuses a plan of a worker of another version.
func planFormatKnown(ref PlanRef, format, ours int) error {
	if format == ours {
		return nil
	}
	return fail(spec.ErrorVersionUnsupported, "the plan %s has format %d, this worker writes %d: workers of different versions serve one task queue; upgrade them all", ref.Key, format, ours)
}
