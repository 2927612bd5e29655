package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// choosePoint finds the id of the restore point that is meant: an id, "latest" or "latest~N". SnapshotMissing if there
// are fewer.
func choosePoint(ctx context.Context, store storage.Store, cluster, point string) (string, error) {
	back, ok := spec.Latest(point)
	if !ok {
		return point, nil
	}
	files, err := pointFiles(ctx, store, cluster)
	if err != nil {
		return "", err
	}
	var chosen []string
	for summary, err := range newestFirst(ctx, store, cluster, files.ids) {
		if err != nil {
			return "", err
		}
		if !newest(summary) {
			continue
		}
		if chosen = append(chosen, summary.ID); len(chosen) > back {
			return summary.ID, nil
		}
	}
	switch {
	case len(chosen) > 0:
		return "", fail(spec.ErrorSnapshotMissing, "%s asks for more than there is: cluster %s has %d complete restore points in this repository, the oldest of them is %s",
			point, cluster, len(chosen), chosen[len(chosen)-1])
	case len(files.ids) > 0:
		return "", fail(spec.ErrorSnapshotMissing, "none of the %d restore points of cluster %s is complete; name one (`starkeep backup list`) to restore what it has", len(files.ids), cluster)
	}
	return "", fail(spec.ErrorSnapshotMissing, "cluster %s has no restore point in this repository", cluster)
}

// newestFirst goes through restore points of which the ids are given, oldest first. Ids tell the second; of one second
// the point that was created later comes first.
func newestFirst(ctx context.Context, store storage.Store, cluster string, ids []string) iter.Seq2[restorepoint.PointSummary, error] {
	return func(yield func(restorepoint.PointSummary, error) bool) {
		for to := len(ids); to > 0; {
			from := to - 1
			for from > 0 && secondOf(ids[from-1]).Equal(secondOf(ids[from])) {
				from--
			}
			var group []restorepoint.PointSummary
			for _, id := range ids[from:to] {
				summary, err := readSummary(ctx, store, cluster, id)
				if err != nil {
					yield(summary, fmt.Errorf("restore point %s: %w", id, err))
					return
				}
				group = append(group, summary)
			}
			slices.SortFunc(group, laterFirst)
			for _, summary := range group {
				if !yield(summary, nil) {
					return
				}
			}
			to = from
		}
	}
}

// secondOf is the time in a restore point's id.
func secondOf(id string) time.Time {
	t, _ := restorepoint.ParsePointID(id)
	return t
}

// laterFirst orders restore points of one second.
func laterFirst(a, b restorepoint.PointSummary) int {
	return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID))
}

// newest tells the points that "latest" may mean: complete ones that a backup made, not those made of what a restore was
// to replace, and not adopted ones, of which less is known.
func newest(s restorepoint.PointSummary) bool {
	return s.Complete && s.Tags[spec.TagBeforeOverwrite] == "" && s.Origin != restorepoint.OriginAdopted
}

// pointKeys are the files of a cluster's restore points.
type pointKeys struct {
	ids     []string            // oldest first
	drills  map[string][]string // keys by point, oldest first
	reports map[string][]string

	verifications map[string][]string
	pins          map[string]string // key by point
}

// pointFiles lists restore points by their manifests, with what lies beside each.
func pointFiles(ctx context.Context, store storage.Store, cluster string) (pointKeys, error) {
	found := pointKeys{drills: map[string][]string{}, reports: map[string][]string{}, verifications: map[string][]string{}, pins: map[string]string{}}
	for o, err := range store.List(ctx, restorepoint.PointPrefix(cluster)) {
		if err != nil {
			return found, err
		}
		k, err := restorepoint.ParseKey(o.Key)
		if err != nil {
			continue
		}
		switch k.Kind {
		case restorepoint.KeyManifest:
			found.ids = append(found.ids, k.Point)
		case restorepoint.KeyDrill:
			found.drills[k.Point] = append(found.drills[k.Point], o.Key)
		case restorepoint.KeyReport:
			found.reports[k.Point] = append(found.reports[k.Point], o.Key)
		case restorepoint.KeyPin:
			found.pins[k.Point] = o.Key
		case restorepoint.KeyVerification:
			found.verifications[k.Point] = append(found.verifications[k.Point], o.Key)
		}
	}
	slices.Sort(found.ids)
	return found, nil
}

func readSummary(ctx context.Context, store storage.Store, cluster, id string) (restorepoint.PointSummary, error) {
	body, err := store.Get(ctx, restorepoint.ManifestKey(cluster, id), 0, -1)
	if err != nil {
		return restorepoint.PointSummary{}, err
	}
	defer body.Close()
	return restorepoint.DecodeSummary(body)
}

// pointSelection is what the backup of a restore point selected; of one that was resumed, and does not say it itself, what
// its parent did. known is false for adopted points, and where the parent is gone.
func pointSelection(ctx context.Context, store storage.Store, cluster, id string) (selected restorepoint.Selection, known bool, err error) {
	for id != "" {
		head, err := readHead(ctx, store, cluster, id)
		switch {
		case errors.Is(err, storage.ErrNotFound):
			return selected, false, nil
		case err != nil:
			return selected, false, err
		case head.Origin == restorepoint.OriginAdopted:
			return selected, false, nil
		}
		asked, err := head.Asked()
		if err != nil {
			return selected, false, err
		}
		if asked.Resume == "" {
			selected, err = restorepoint.NewSelection(asked.Include, asked.Exclude)
			return selected, err == nil, nil
		}
		id = asked.Resume
	}
	return selected, false, nil
}

// readHead reads what stands before the databases of a manifest. storage.ErrNotFound if there is no such point.
func readHead(ctx context.Context, store storage.Store, cluster, id string) (restorepoint.PointHead, error) {
	body, err := store.Get(ctx, restorepoint.ManifestKey(cluster, id), 0, -1)
	if err != nil {
		return restorepoint.PointHead{}, fmt.Errorf("restore point %s: %w", id, err)
	}
	defer body.Close()
	head, err := restorepoint.ReadHead(body)
	if err != nil {
		return head, fmt.Errorf("restore point %s: %w", id, err)
	}
	return head, nil
}

// readManifest reads a restore point. SnapshotMissing if there is none of that id.
func readManifest(ctx context.Context, store storage.Store, cluster, point string) (restorepoint.Manifest, error) {
	data, err := readManifestBytes(ctx, store, cluster, point)
	if err != nil {
		return restorepoint.Manifest{}, err
	}
	return restorepoint.DecodeManifest(data)
}

func readManifestBytes(ctx context.Context, store storage.Store, cluster, point string) ([]byte, error) {
	if _, err := restorepoint.ParsePointID(point); err != nil {
		return nil, invalid("%v", err)
	}
	data, err := storage.ReadAll(ctx, store, restorepoint.ManifestKey(cluster, point), maxManifestBytes)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, noSuchPoint(cluster, point)
	}
	return data, err
}

func noSuchPoint(cluster, point string) error {
	return fail(spec.ErrorSnapshotMissing, "no restore point %s of cluster %s in this repository; `starkeep backup list` shows those there are", point, cluster)
}

// readRecord reads what is known of a native snapshot, with the digest of its bytes.
func readRecord(ctx context.Context, store storage.Store, cluster, label string) (restorepoint.SnapshotRecord, string, error) {
	data, err := storage.ReadAll(ctx, store, restorepoint.SnapshotKey(cluster, label), maxManifestBytes)
	if err != nil {
		return restorepoint.SnapshotRecord{}, "", fmt.Errorf("read the record of snapshot %s: %w", label, err)
	}
	record, err := restorepoint.DecodeSnapshotRecord(data)
	return record, restorepoint.Digest(data), err
}
