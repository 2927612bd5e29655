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

func latestPoint(ctx context.Context, store storage.Store, cluster string) (string, error) {
	ids, err := pointIDs(ctx, store, cluster)
	if err != nil {
		return "", err
	}
	for _, id := range slices.Backward(ids) {
		summary, err := readSummary(ctx, store, cluster, id)
		if err != nil {
			return "", fmt.Errorf("restore point %s: %w", id, err)
		}
		if summary.Complete {
			return id, nil
		}
	}
	if len(ids) > 0 {
		return "", fail(spec.ErrorSnapshotMissing, "none of the %d restore points of cluster %s is complete; name one (`starkeep backup list`) to restore what it has", len(ids), cluster)
	}
	return "", fail(spec.ErrorSnapshotMissing, "cluster %s has no restore point in this repository", cluster)
}

// pointIDs lists restore points by their manifests, oldest first.
func pointIDs(ctx context.Context, store storage.Store, cluster string) ([]string, error) {
	var ids []string
	for o, err := range store.List(ctx, restorepoint.PointPrefix(cluster)) {
		if err != nil {
			return nil, err
		}
		if k, err := restorepoint.ParseKey(o.Key); err == nil && k.Kind == restorepoint.KeyManifest {
			ids = append(ids, k.Point)
		}
	}
	slices.Sort(ids)
	return ids, nil
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
