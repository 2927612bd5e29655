package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/activity"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/workflows/spec"
)

// TableRef names one table of a restore's plan.
type TableRef struct {
	Cluster    string                   `json:"cluster"`
	Repository string                   `json:"repository"`
	Plan       PlanRef                  `json:"plan"`
	Table      int                      `json:"table"`              // index into the plan's tables
	Failures   []restorepoint.FailedSet `json:"failures,omitempty"` // parts of the plan that were not restored
	SkipGrants bool                     `json:"skipGrants,omitempty"`
}

// Proven is the proof of one table.
type Proven struct {
	Complete bool               `json:"complete"` // every part of it was restored, and nothing differs
	Failed   string             `json:"failed,omitempty"`
	Differs  bool               `json:"differs,omitempty"` // StarRocks said FINISHED, and the table is not what was backed up
	Beside   string             `json:"beside,omitempty"`  // the table's name now, while it stands beside the live one
	Table    spec.RestoredTable `json:"table"`
}

// tableWork is a TableRef with all it needs resolved.
type tableWork struct {
	TableRef
	cluster    *Cluster
	repository *Repository
	plan       *Plan
	table      PlanTable
}

func (a *Activities) resolveTable(ctx context.Context, ref TableRef) (*tableWork, error) {
	c, r, err := a.both(ref.Cluster, ref.Repository)
	if err != nil {
		return nil, err
	}
	p, err := a.plan(ctx, r.Store, ref.Plan)
	if err != nil {
		return nil, err
	}
	return &tableWork{TableRef: ref, cluster: c, repository: r, plan: p, table: p.Tables[ref.Table]}, nil
}

func (w *tableWork) name() string { return w.plan.Database + "." + w.table.As }

// beside tells a table that was restored next to the live one, to be exchanged with it or to fill its partitions.
func (w *tableWork) beside() bool {
	return w.table.Action == spec.ActionSwap || w.table.Action == spec.ActionReplace
}

// Prove compares a restored table with the manifest: RESTORE says FINISHED also where it restored nothing (rule 8). A
// difference is in the answer, not an error: the other tables go on.
func (a *Activities) Prove(ctx context.Context, ref TableRef) (Proven, error) {
	defer keepAlive(ctx)()
	w, err := a.resolveTable(ctx, ref)
	if err != nil {
		return Proven{}, failure(ctx, err)
	}
	proven, proof, err := w.prove(ctx)
	if err == nil {
		err = w.writeProof(ctx, proven, proof)
	}
	if err != nil {
		err = fmt.Errorf("prove table %s: %w", w.name(), err)
	}
	return proven, failure(ctx, err)
}

func (w *tableWork) prove(ctx context.Context) (Proven, restorepoint.Proof, error) {
	var proof restorepoint.Proof
	out := Proven{Table: spec.RestoredTable{Database: w.plan.Database, Table: w.table.Target, Action: w.table.Action}}
	want, missing, why := w.restored()
	if len(want.Partitions) == 0 {
		out.Failed = "none of its partitions was restored" + why
		return out, proof, nil
	}
	if kind, err := w.standsInTheWay(ctx); err != nil || kind != "" {
		out.Failed = fmt.Sprintf("StarRocks says FINISHED, but a %s stands under the table's name, and RESTORE leaves what it names alone then; drop or rename it", kind)
		return out, proof, err
	}
	got, err := w.look(ctx, want)
	if err != nil {
		return out, proof, err
	}
	if got.ID != 0 && w.beside() {
		out.Beside = w.table.As
	}
	oldID := w.table.LiveID
	if w.table.Action == spec.ActionAdd || w.table.Action == spec.ActionOverwrite {
		oldID = 0
	}
	proof = restorepoint.Prove(want, got, oldID, w.table.Action == spec.ActionAdd)
	out.Table.TableID, out.Table.Partitions, out.Table.Tablets, out.Table.Rows = got.ID, proof.Partitions, int64(proof.Tablets), proof.Rows
	out.Table.RowsProven = proof.RowsSkipped == 0
	if len(proof.NotCompared) > 0 {
		out.Table.Note = "not compared: " + first3(proof.NotCompared)
	}
	switch {
	case !proof.Proven():
		var texts []string
		for _, d := range proof.Differences {
			texts = append(texts, d.String())
		}
		out.Differs = true
		out.Failed = "StarRocks says FINISHED, but " + first3(texts)
	case missing > 0:
		out.Failed = fmt.Sprintf("%d of its partitions were not restored%s", missing, why)
	default:
		out.Complete = true
	}
	return out, proof, nil
}

// restored is the manifest's table with those partitions that were restored, the number of the others, and why they
// were not, as StarRocks said it.
func (w *tableWork) restored() (t restorepoint.Table, missing int, why string) {
	lost := map[string]bool{}
	var reasons []string
	for _, f := range w.Failures {
		for _, i := range (restorepoint.Unit{Parts: f.Parts}).Indexes() {
			if w.plan.Parts[i].Table == w.table.Table.Name && w.plan.Parts[i].Lane == w.plan.lane(w.table.Table.Name, w.table.As, w.table.Action) {
				lost[w.plan.Parts[i].Partition] = true
				if f.Reason != "" && !slices.Contains(reasons, f.Reason) {
					reasons = append(reasons, f.Reason)
				}
			}
		}
	}
	t = w.table.Table
	t.Partitions = slices.DeleteFunc(slices.Clone(t.Partitions), func(p restorepoint.Partition) bool { return lost[p.Name] })
	for i, p := range t.Partitions {
		if p.Name == t.Name && w.table.As != t.Name {
			t.Partitions[i].Name = w.table.As // the one partition of an unpartitioned table has the table's name
		}
	}
	if len(reasons) > 0 {
		why = ": " + first3(reasons)
	}
	return t, len(lost), why
}

// standsInTheWay tells what has the table's name but is no table: RESTORE skips a table for a materialized view of its
// name without a word (rule 8), and this one may have come after the plan was made.
func (w *tableWork) standsInTheWay(ctx context.Context) (string, error) {
	tables, err := w.cluster.FE.Tables(ctx, w.plan.Database)
	if err != nil {
		return "", err
	}
	for _, t := range tables {
		if t.Name == w.table.As && t.Kind != starrocks.KindTable {
			return kindWord(t.Kind), nil
		}
	}
	return "", nil
}

// look reads the restored table from the catalog, and counts rows where the manifest knows them.
func (w *tableWork) look(ctx context.Context, want restorepoint.Table) (restorepoint.Restored, error) {
	fe := w.cluster.FE
	got := restorepoint.Restored{Live: !w.beside(), Kept: w.table.Action == spec.ActionAdd || w.table.Action == spec.ActionOverwrite}
	id, err := tableID(ctx, fe, w.plan.Database, w.table.As)
	if err != nil {
		return got, err
	}
	if got.ID = id; id == 0 {
		return got, nil
	}
	if err := w.lookAtDefinition(ctx, want, &got); err != nil {
		return got, err
	}
	before, err := versions(ctx, fe, w.plan.Database, w.table.As)
	if err != nil {
		return got, err
	}
	for _, p := range want.Partitions {
		v, there := before[p.Name]
		if !there {
			continue
		}
		part := restorepoint.RestoredPartition{Name: p.Name, Versions: v, Tablets: -1}
		if tablets, err := fe.TableTablets(ctx, w.plan.Database, w.table.As, p.Name); err == nil {
			part.Tablets = distinct(tablets)
		}
		if p.RowsExact {
			part.Rows, err = fe.CountRows(ctx, w.plan.Database, w.table.As, p.Name)
			if transient(ctx, err) {
				return got, err
			}
			part.RowsExact = err == nil // what StarRocks refuses to count is not compared, which the proof says
		}
		if part.Fingerprint, err = w.fingerprint(ctx, want, p); err != nil {
			return got, err
		}
		activity.RecordHeartbeat(ctx, p.Name)
		got.Partitions = append(got.Partitions, part)
	}
	after, err := versions(ctx, fe, w.plan.Database, w.table.As)
	if err != nil {
		return got, err
	}
	for i, p := range got.Partitions {
		if !slices.Equal(before[p.Name], after[p.Name]) {
			got.Partitions[i].RowsExact, got.Partitions[i].Fingerprint = false, nil
		}
	}
	for name, v := range before {
		known := slices.ContainsFunc(want.Partitions, func(p restorepoint.Partition) bool { return p.Name == name })
		if !known {
			got.Partitions = append(got.Partitions, restorepoint.RestoredPartition{Name: name, Versions: v, Tablets: -1})
		}
	}
	return got, nil
}

// lookAtDefinition reads the table's SHOW CREATE TABLE where the restore point knows one. A version of StarRocks prints
// definitions in its own way: between versions a difference proves nothing.
func (w *tableWork) lookAtDefinition(ctx context.Context, want restorepoint.Table, got *restorepoint.Restored) error {
	if want.DDL == "" {
		return nil
	}
	ddl, err := w.cluster.FE.ShowCreateTable(ctx, w.plan.Database, w.table.As)
	if transient(ctx, err) {
		return err
	}
	if err == nil {
		got.DDL = ddl
	}
	now, err := w.cluster.FE.Version(ctx)
	if transient(ctx, err) {
		return err
	}
	then, bad := starrocks.ParseVersion(w.plan.SourceVersion)
	got.OtherVersion = err != nil || bad != nil || now.Main != then.Main || now.Major != then.Major || now.Minor != then.Minor
	return nil
}

// transient tells errors after which the proof is tried again; what StarRocks refuses is not compared, which the proof
// says.
func transient(ctx context.Context, err error) bool {
	return err != nil && (errors.Is(err, starrocks.ErrConnectionLost) || errors.Is(err, starrocks.ErrNoLeader) || ctx.Err() != nil)
}

// tableID reads the id of a table; 0 if there is none of that name.
func tableID(ctx context.Context, fe *starrocks.Client, database, table string) (int64, error) {
	ids, err := tableIDs(ctx, fe, database)
	return ids[table], err
}

func tableIDs(ctx context.Context, fe *starrocks.Client, database string) (map[string]int64, error) {
	return fe.TableIDs(ctx, database)
}

// versions reads the visible versions of a table's physical partitions, sorted, by partition. The shadow partition,
// which SHOW PARTITIONS leaves out, comes from partitions_meta.
func versions(ctx context.Context, fe *starrocks.Client, database, table string) (map[string][]int64, error) {
	found := map[string][]int64{}
	for p, err := range fe.PartitionsOf(ctx, database, table) {
		if err != nil {
			return nil, err
		}
		if !p.Temporary {
			found[p.Name] = append(found[p.Name], p.VisibleVersion)
		}
	}
	for _, v := range found {
		slices.Sort(v)
	}
	return found, nil
}

func distinct(tablets []starrocks.Tablet) int {
	ids := map[int64]bool{}
	for _, t := range tablets {
		ids[t.ID] = true
	}
	return len(ids)
}

func first3(texts []string) string { return firstOf(3, texts, "; ") }

// firstOf joins n texts, and counts the others.
func firstOf(n int, texts []string, between string) string {
	if len(texts) <= n {
		return strings.Join(texts, between)
	}
	return fmt.Sprintf("%s%sand %d more", strings.Join(texts[:n], between), between, len(texts)-n)
}
