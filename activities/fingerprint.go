package activities

import (
	"context"
	"fmt"

	"go.temporal.io/sdk/activity"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// fingerprints makes the fingerprints of a snapshot's partitions in the live table, where the backup asks for them. As
// with rows, only partitions that were at the snapshot's version before and after have one. What could not be had is a
// warning: the snapshot is whole without it.
func (r *recorder) fingerprints(ctx context.Context, in starrocks.InfoTable, t *restorepoint.Table) map[string]*restorepoint.Fingerprint {
	kind := r.plan.Fingerprint
	if kind == "" {
		return nil
	}
	columns := starrocks.ColumnsForFingerprint(t.DDL)
	if len(columns.Columns) == 0 {
		r.warnings = append(r.warnings, fmt.Sprintf("%s has no fingerprint: none of its columns has a type that is hashed", in.Name))
		return nil
	}
	want := countable(in)
	prints := map[string]*restorepoint.Fingerprint{}
	for name := range atVersion(ctx, r.cluster.FE, r.Database, in.Name, want) {
		print, err := r.cluster.FE.Fingerprint(ctx, r.Database, in.Name, name, columns, kind == spec.FingerprintSample)
		if err != nil || ctx.Err() != nil {
			r.warnings = append(r.warnings, fmt.Sprintf("%s has no fingerprint: %v", in.Name, err))
			return nil
		}
		prints[name] = restorepoint.NewFingerprint(kind, print)
		activity.RecordHeartbeat(ctx, "fingerprint of "+in.Name)
	}
	still := atVersion(ctx, r.cluster.FE, r.Database, in.Name, want)
	for name := range prints {
		if _, same := still[name]; !same {
			delete(prints, name)
		}
	}
	if lost := len(want) - len(prints); lost > 0 {
		r.warnings = append(r.warnings, fmt.Sprintf("%d partitions of %s have no fingerprint: they were loaded since their snapshot was taken", lost, in.Name))
	}
	if len(prints) > 0 {
		hashed := restorepoint.Hashed(columns)
		t.Fingerprint = &hashed
	}
	return prints
}

// countable are the partitions of a snapshot whose rows can be read at one version, with that version.
func countable(in starrocks.InfoTable) map[string]int64 {
	want := map[string]int64{}
	for _, p := range in.Partitions {
		if len(p.Physical) == 1 && p.Name != starrocks.ShadowPartition {
			want[p.Name] = p.Version
		}
	}
	return want
}

// fingerprint makes the fingerprint that a restored partition should have; nil where the backup made none, or where it
// cannot be had, which the proof says.
func (w *tableWork) fingerprint(ctx context.Context, t restorepoint.Table, p restorepoint.Partition) (*restorepoint.Fingerprint, error) {
	if p.Fingerprint == nil || t.Fingerprint == nil || p.Fingerprint.Algorithm != restorepoint.FingerprintAlgorithm {
		return nil, nil
	}
	columns := starrocks.FingerprintColumns(*t.Fingerprint)
	print, err := w.cluster.FE.Fingerprint(ctx, w.plan.Database, w.table.As, p.Name, columns, p.Fingerprint.Kind == spec.FingerprintSample)
	if transient(ctx, err) {
		return nil, err
	}
	if err != nil {
		return nil, nil
	}
	return restorepoint.NewFingerprint(p.Fingerprint.Kind, print), nil
}
