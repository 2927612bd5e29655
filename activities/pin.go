package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// PinInput asks for a pin, or for its removal. At is when that was.
type PinInput struct {
	Spec spec.Pin  `json:"spec"`
	At   time.Time `json:"at"`
}

// PinPoint pins a restore point, so that no prune deletes it, or takes the pin away. Doing it again does no harm. A later
// pin replaces an earlier one. SnapshotMissing if there is no such point.
func (a *Activities) PinPoint(ctx context.Context, in PinInput) (spec.PinResult, error) {
	defer keepAlive(ctx)()
	where, err := a.storeOf("where", in.Spec.Where)
	if err != nil {
		return spec.PinResult{}, failure(ctx, err)
	}
	out, err := pinPoint(ctx, where.Store, in)
	return out, failure(ctx, err)
}

func pinPoint(ctx context.Context, store storage.Store, in PinInput) (spec.PinResult, error) {
	cluster := in.Spec.Cluster
	id, err := choosePoint(ctx, store, cluster, in.Spec.Point)
	if err != nil {
		return spec.PinResult{}, err
	}
	out := spec.PinResult{Point: id}
	if err := pointThere(ctx, store, cluster, id); err != nil {
		return out, err
	}
	key := restorepoint.PinKey(cluster, id)
	if in.Spec.Remove {
		return out, store.Delete(ctx, key)
	}
	pin := restorepoint.Pin{At: in.At.UTC().Truncate(time.Second), Reason: in.Spec.Reason, By: in.Spec.By}
	data, err := restorepoint.EncodePin(pin)
	if err != nil {
		return out, err
	}
	if err := storage.WriteAll(ctx, store, key, data, storage.Overwrite); err != nil {
		return out, fmt.Errorf("pin restore point %s: %w", id, err)
	}
	if err := notGoing(ctx, store, cluster, id, in.At); err != nil {
		return out, err
	}
	if err := pointThere(ctx, store, cluster, id); err != nil { // a prune has just deleted it
		return out, errors.Join(err, store.Delete(ctx, key))
	}
	out.Pinned = pinRow(pin)
	return out, nil
}

// goingFor is the longest that one prune is taken to be deleting one restore point.
const goingFor = time.Hour

// notGoing fails while a prune deletes a restore point, which may not have seen the pin. What a prune left that died is taken away:
// the next one sees the pin.
func notGoing(ctx context.Context, store storage.Store, cluster, id string, now time.Time) error {
	key := restorepoint.PointMarkKey(cluster, id)
	data, err := storage.ReadAll(ctx, store, key, maxMarkBytes)
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	mark, err := restorepoint.DecodeMark(data)
	if err == nil && now.Sub(mark.MarkedAt) < goingFor {
		return fmt.Errorf("restore point %s is being deleted by %s, which may not see the pin any more: look with `starkeep backup list` whether it is still there, and pin it again; what a prune left that was killed stands in the way for an hour", id, mark.Run)
	}
	return store.Delete(ctx, key)
}

// pointThere fails with SnapshotMissing unless there is such a restore point.
func pointThere(ctx context.Context, store storage.Store, cluster, id string) error {
	if _, err := restorepoint.ParsePointID(id); err != nil {
		return invalid("%v", err)
	}
	_, err := store.Stat(ctx, restorepoint.ManifestKey(cluster, id))
	if errors.Is(err, storage.ErrNotFound) {
		return fail(spec.ErrorSnapshotMissing, "no restore point %s of cluster %s here; `starkeep backup list` shows those there are", id, cluster)
	}
	return err
}

func pinRow(p restorepoint.Pin) *spec.PinRow {
	return &spec.PinRow{At: p.At.UTC().Format(time.RFC3339), Reason: p.Reason, By: p.By}
}

// pinOf reads the pin of a point; nil if it has none.
func pinOf(ctx context.Context, store storage.Store, cluster, id string) (*spec.PinRow, error) {
	key := restorepoint.PinKey(cluster, id)
	_, err := store.Stat(ctx, key)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return readPin(ctx, store, key), nil
}

// readPin reads a pin for a listing; one that cannot be read protects all the same, and says so.
func readPin(ctx context.Context, store storage.Store, key string) *spec.PinRow {
	data, err := storage.ReadAll(ctx, store, key, maxMarkBytes)
	if err == nil {
		var pin restorepoint.Pin
		if pin, err = restorepoint.DecodePin(data); err == nil {
			return pinRow(pin)
		}
	}
	return &spec.PinRow{Reason: "unreadable: " + err.Error()}
}
