package activities

import (
	"context"

	"go.temporal.io/sdk/activity"

	"starkeep/starrocks"
)

// countRows counts the rows of a snapshot's partitions in the live table. Only partitions that were at the snapshot's
// version before and after are in the answer; what cannot be counted is not compared later, which a proof says.
func (r *recorder) countRows(ctx context.Context, in starrocks.InfoTable) map[string]int64 {
	want := countable(in)
	rows := map[string]int64{}
	for name, version := range atVersion(ctx, r.cluster.FE, r.Database, in.Name, want) {
		n, err := r.cluster.FE.CountRows(ctx, r.Database, in.Name, name)
		if err != nil || ctx.Err() != nil {
			return nil
		}
		activity.RecordHeartbeat(ctx, "counting rows of "+in.Name)
		if version > 0 {
			rows[name] = n
		}
	}
	still := atVersion(ctx, r.cluster.FE, r.Database, in.Name, want)
	for name := range rows {
		if _, same := still[name]; !same {
			delete(rows, name)
		}
	}
	return rows
}

// atVersion gives those of the wanted partitions that have the wanted version now.
func atVersion(ctx context.Context, fe *starrocks.Client, database, table string, want map[string]int64) map[string]int64 {
	partitions, err := fe.TablePartitions(ctx, database, table)
	if err != nil {
		return nil
	}
	same := map[string]int64{}
	for _, p := range partitions {
		if want[p.Name] == p.VisibleVersion {
			same[p.Name] = p.VisibleVersion
		}
	}
	return same
}
