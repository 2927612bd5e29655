package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
	for _, id := range slices.Backward(files.ids) {
		summary, err := readSummary(ctx, store, cluster, id)
		if err != nil {
			return "", fmt.Errorf("restore point %s: %w", id, err)
		}
		if !newest(summary) {
			continue
		}
		if chosen = append(chosen, id); len(chosen) > back {
			return id, nil
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
}

// pointFiles lists restore points by their manifests, with what lies beside each.
func pointFiles(ctx context.Context, store storage.Store, cluster string) (pointKeys, error) {
	found := pointKeys{drills: map[string][]string{}, reports: map[string][]string{}}
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

// readManifest reads a restore point. SnapshotMissing if there is none of that id.
func readManifest(ctx context.Context, store storage.Store, cluster, point string) (restorepoint.Manifest, error) {
	if _, err := restorepoint.ParsePointID(point); err != nil {
		return restorepoint.Manifest{}, invalid("%v", err)
	}
	data, err := storage.ReadAll(ctx, store, restorepoint.ManifestKey(cluster, point), maxManifestBytes)
	if errors.Is(err, storage.ErrNotFound) {
		return restorepoint.Manifest{}, fail(spec.ErrorSnapshotMissing, "no restore point %s of cluster %s in this repository; `starkeep backup list` shows those there are", point, cluster)
	}
	if err != nil {
		return restorepoint.Manifest{}, err
	}
	return restorepoint.DecodeManifest(data)
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
