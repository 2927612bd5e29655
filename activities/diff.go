package activities

import (
	"context"
	"errors"
	"fmt"
	"io"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// maxDiffNames bounds the partitions named of one table.
const maxDiffNames = 20

// diff tells what changed from one restore point to another. Both manifests are read side by side, a table at a time.
func (a *Activities) diff(ctx context.Context, in spec.Inspect) (*spec.Difference, error) {
	r, err := a.repository(in.Repository)
	if err != nil {
		return nil, err
	}
	out := &spec.Difference{Tables: []spec.TableDifference{}}
	var sides [2]io.ReadCloser
	for i, point := range []string{in.Point, in.Other} {
		row, body, err := openPoint(ctx, r.Store, in.Cluster, point)
		if err != nil {
			return nil, err
		}
		defer body.Close()
		sides[i] = body
		if i == 0 {
			out.From = row
		} else {
			out.To = row
		}
	}
	for d, err := range restorepoint.Diff(restorepoint.ReadTables(sides[0]), restorepoint.ReadTables(sides[1])) {
		if err != nil {
			return nil, fmt.Errorf("compare restore points %s and %s: %w", out.From.ID, out.To.ID, err)
		}
		addDifference(out, d)
	}
	return out, nil
}

// openPoint opens the manifest of a restore point at its beginning. SnapshotMissing if there is none of that name.
func openPoint(ctx context.Context, store storage.Store, cluster, point string) (spec.PointRow, io.ReadCloser, error) {
	id, err := choosePoint(ctx, store, cluster, point)
	if err != nil {
		return spec.PointRow{}, nil, err
	}
	if _, err := restorepoint.ParsePointID(id); err != nil {
		return spec.PointRow{}, nil, invalid("%v", err)
	}
	head, err := readHead(ctx, store, cluster, id)
	if errors.Is(err, storage.ErrNotFound) {
		return spec.PointRow{}, nil, noSuchPoint(cluster, id)
	}
	if err != nil {
		return spec.PointRow{}, nil, err
	}
	body, err := store.Get(ctx, restorepoint.ManifestKey(cluster, id), 0, -1)
	return pointRow(head.PointSummary), body, err
}

func addDifference(out *spec.Difference, d restorepoint.TableDifference) {
	out.Rows += d.RowsTo - d.RowsFrom
	out.Bytes += d.BytesTo - d.BytesFrom
	if d.Change == restorepoint.Unchanged {
		out.Same++
		return
	}
	out.Changed++
	if len(out.Tables) == spec.MaxListed {
		return
	}
	out.Tables = append(out.Tables, spec.TableDifference{
		Database: d.Database, Table: d.Table, Change: string(d.Change),
		Partitions: spec.PartitionCounts{Same: d.Same, Added: len(d.Added), Dropped: len(d.Dropped), Replaced: len(d.Replaced), Changed: len(d.Changed)},
		Added:      firstNames(d.Added), Dropped: firstNames(d.Dropped), Replaced: firstNames(d.Replaced), Changed: firstNames(d.Changed),
		RowsFrom: d.RowsFrom, RowsTo: d.RowsTo, BytesFrom: d.BytesFrom, BytesTo: d.BytesTo,
	})
}

func firstNames(names []string) []string { return names[:min(len(names), maxDiffNames)] }
