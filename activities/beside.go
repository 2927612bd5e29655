package activities

import (
	"context"
	"slices"
	"time"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// maxBeside bounds what the details of a point tell of its restores and drills.
const maxBeside = 20

// addBeside adds what lies beside a restore point: its last drills, and the proofs of its last restores.
func addBeside(ctx context.Context, r *Repository, cluster string, out *spec.PointDetails) error {
	drills, err := lastKeys(ctx, r.Store, restorepoint.DrillPrefix(cluster, out.ID))
	if err != nil {
		return err
	}
	for _, key := range drills {
		out.Drills = append(out.Drills, *readDrillRow(ctx, r.Store, key))
	}
	if out.Pinned, err = pinOf(ctx, r.Store, cluster, out.ID); err != nil {
		return err
	}
	if len(out.Drills) > 0 {
		out.Drill = &out.Drills[0]
	}
	if err := addVerifications(ctx, r, cluster, out); err != nil {
		return err
	}
	reports, err := lastKeys(ctx, r.Store, restorepoint.ReportPrefix(cluster, out.ID))
	for _, key := range reports {
		out.Reports = append(out.Reports, address(r, key))
	}
	return err
}

// lastKeys lists the last keys of a prefix, newest first.
func lastKeys(ctx context.Context, store storage.Store, prefix string) ([]string, error) {
	var keys []string
	for o, err := range store.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		if _, err := restorepoint.ParseKey(o.Key); err == nil {
			keys = append(keys, o.Key)
		}
	}
	slices.Reverse(keys)
	return keys[:min(len(keys), maxBeside)], nil
}

// address is where people find an object.
func address(r *Repository, key string) string { return r.Location + "/" + key }

// readDrillRow reads one drill; one that cannot be read says so.
func readDrillRow(ctx context.Context, store storage.Store, key string) *spec.DrillRow {
	d, err := readDrill(ctx, store, key)
	if err != nil {
		return &spec.DrillRow{Result: "unreadable", Reason: err.Error()}
	}
	return &spec.DrillRow{At: d.At.UTC().Format(time.RFC3339), Result: d.Result, Sampled: len(d.Tables), Of: d.Of, Reason: d.Reason}
}

// maxDrillBytes bounds the record of a drill: tens of thousands of tables.
const maxDrillBytes = 64 << 20

func readDrill(ctx context.Context, store storage.Store, key string) (restorepoint.DrillRecord, error) {
	data, err := storage.ReadAll(ctx, store, key, maxDrillBytes)
	if err != nil {
		return restorepoint.DrillRecord{}, err
	}
	return restorepoint.DecodeDrill(data)
}
