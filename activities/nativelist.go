package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// snapshots lists the native snapshots of a repository, whoever made them. Their labels come from SHOW SNAPSHOT, which
// goes through the store label by label without reading any tablet; what is said of each comes from its own files.
func (a *Activities) snapshots(ctx context.Context, in spec.Inspect) (spec.InspectResult, error) {
	c, r, err := a.both(in.Cluster, in.Repository)
	if err != nil {
		return spec.InspectResult{}, err
	}
	listed, err := c.FE.Snapshots(ctx, r.Native)
	if err != nil {
		return spec.InspectResult{}, fmt.Errorf("list the snapshots of repository %s: %w", r.Native, err)
	}
	var labels []string
	for _, s := range listed {
		if s.Label > in.Page || in.Page == "" {
			labels = append(labels, s.Label)
		}
	}
	slices.Sort(labels)
	labels = slices.Compact(labels)
	var out spec.InspectResult
	for _, label := range labels[:min(len(labels), pageSize)] {
		rows, err := (&work{UnitRef: UnitRef{Cluster: in.Cluster, Label: label}, repository: r}).rows(ctx)
		if err != nil {
			return out, fmt.Errorf("look at snapshot %s: %w", label, err)
		}
		out.Snapshots = append(out.Snapshots, rows...)
	}
	if len(labels) > pageSize {
		out.NextPage = labels[pageSize-1]
	}
	return out, nil
}

// rows describes one label: a row for each __info that is not a running restore's, or one that says why there is none.
func (w *work) rows(ctx context.Context) ([]spec.SnapshotRow, error) {
	row := spec.SnapshotRow{Label: w.Label, Ours: restorepoint.IsLabel(w.Label)}
	if err := starrocks.CheckLabel(w.Label); err != nil {
		row.Problem = err.Error()
		return []spec.SnapshotRow{row}, nil
	}
	if strings.HasPrefix(w.Label, BesidePrefix) {
		row.Ours, row.Problem = true, "a restore's temporary files"
		return []spec.SnapshotRow{row}, nil
	}
	infos, metas, err := w.heads(ctx)
	if err != nil {
		return nil, err
	}
	if len(infos) == 0 {
		row.Problem = "no __info: what a BACKUP left that did not finish, or that is still running"
		return []spec.SnapshotRow{row}, nil
	}
	recordKey := restorepoint.SnapshotKey(w.Cluster, w.Label)
	_, err = w.repository.Store.Stat(ctx, recordKey)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return nil, err
	}
	row.Recorded = err == nil
	var rows []spec.SnapshotRow
	for _, key := range infos {
		row := row
		if row.Problem, err = w.describeInfo(ctx, key, &row); err != nil {
			return nil, err
		}
		switch {
		case row.Problem != "":
		case len(metas) == 0:
			row.Problem = "no __meta: StarRocks cannot restore it"
		case len(metas) > 1:
			row.Problem = fmt.Sprintf("%d __meta files: two backups had this label at one time, StarRocks can restore neither", len(metas))
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// heads lists the __info of a snapshot, but for those of restores, and its __meta.
func (w *work) heads(ctx context.Context) (infos, metas []string, err error) {
	if infos, err = (&recorder{work: w}).infoKeys(ctx); err != nil {
		return nil, nil, err
	}
	for o, err := range w.repository.Store.List(ctx, w.snapshot().MetaPrefix()) {
		if err != nil {
			return nil, nil, err
		}
		if k, bad := starrocks.ParseKey(o.Key); bad == nil && k.Kind == starrocks.KeyMeta {
			metas = append(metas, o.Key)
		}
	}
	return infos, metas, nil
}

// describeInfo fills in what an __info says; the answer is what is wrong with it.
func (w *work) describeInfo(ctx context.Context, key string, row *spec.SnapshotRow) (problem string, err error) {
	if k, err := starrocks.ParseKey(key); err == nil {
		row.Timestamp = k.Timestamp
	}
	raw, err := readChecked(ctx, w.repository.Store, key)
	var damaged *Failure
	if errors.As(err, &damaged) {
		return damaged.Message, nil
	}
	if err != nil {
		return "", err
	}
	info, err := starrocks.ParseInfo(raw)
	if err != nil {
		return err.Error(), nil
	}
	row.Database, row.Tables, row.BackupTime = info.Database, len(info.Tables), info.BackupTime.UTC().Format(time.RFC3339)
	for _, t := range info.Tables {
		row.Partitions += len(t.Partitions)
	}
	for range info.Tablets() {
		row.Tablets++
	}
	switch {
	case info.Name != w.Label:
		return fmt.Sprintf("its __info names the label %q, whose __meta StarRocks would take", info.Name), nil
	case info.Database == "":
		return "external catalogs, no tables", nil
	}
	return "", nil
}
