package activities

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// checkSnapshotPresent compares a native snapshot's objects, as far as the physical partitions need them, with what was
// written down when it was made: names, sizes, and contents where the store tells their MD5. digest is the record's, as
// the manifest has it; "" if that was compared before.
func checkSnapshotPresent(ctx context.Context, r *Repository, cluster, label, digest string, physical map[int64]bool, places restorepoint.Places) error {
	record, sum, err := readRecord(ctx, r.Store, cluster, label)
	if err != nil {
		return err
	}
	if digest != "" && digest != sum {
		return fail(spec.ErrorChecksumMismatch, "the record of snapshot %s is not the one that was written (%s): nothing was restored; choose another restore point", label, restorepoint.SnapshotKey(cluster, label))
	}
	at := starrocks.Snapshot{Repository: r.Native, Label: label}
	var asked error
	ours := (&work{repository: r}).askOurs(ctx, &asked)
	listed := (&contents{store: r.Store}).listed(ctx, at.Prefix(), physical)
	found, err := restorepoint.CheckPresent(restorepoint.OfPartitions(recorded(ctx, r.Store, record), physical), listed, places, ours)
	if err = errors.Join(err, asked); err != nil {
		return fmt.Errorf("compare snapshot %s with its record: %w", label, err)
	}
	if !found.OK() {
		return fail(spec.ErrorChecksumMismatch, "snapshot %s is damaged, nothing was restored from it: %s; choose another restore point, or bring the objects back", label, found)
	}
	return nil
}

// recorded streams the objects that a snapshot had when it was recorded.
func recorded(ctx context.Context, store storage.Store, record restorepoint.SnapshotRecord) func(func(restorepoint.Object, error) bool) {
	return func(yield func(restorepoint.Object, error) bool) {
		for _, list := range record.Lists {
			body, err := store.Get(ctx, list.Key, 0, -1)
			if err != nil {
				yield(restorepoint.Object{}, fmt.Errorf("read the object list of snapshot %s: %w", record.Label, err))
				return
			}
			stopped := false
			for o, err := range restorepoint.ReadList(body, list) {
				if !yield(o, err) || err != nil {
					stopped = true
					break
				}
			}
			body.Close()
			if stopped {
				return
			}
		}
	}
}

// believed is how often the store's word about contents is checked by reading an object: after so many that were as
// their names say, its MD5s are none; after so many that were not, it is believed.
const believed = 8

// contents compares the MD5 that the store tells of an object with the one in its name. A difference alone proves
// nothing: what S3 tells of objects encrypted with KMS has the same shape. So such objects are read, until they have
// shown what the store's word is worth.
type contents struct {
	store   storage.Store
	right   int // objects of the right content, of which the store told another MD5
	damaged int // objects of another content
}

// listed lists a snapshot's objects as far as the physical partitions need them, with the MD5 of their contents where
// it is known.
func (c *contents) listed(ctx context.Context, prefix string, physical map[int64]bool) iter.Seq2[restorepoint.Object, error] {
	return c.told(ctx, restorepoint.OfPartitions(c.stored(ctx, prefix), physical))
}

// all is listed of the whole snapshot.
func (c *contents) all(ctx context.Context, prefix string) iter.Seq2[restorepoint.Object, error] {
	return c.told(ctx, c.stored(ctx, prefix))
}

// stored lists objects with what the store says.
func (c *contents) stored(ctx context.Context, prefix string) iter.Seq2[restorepoint.Object, error] {
	return func(yield func(restorepoint.Object, error) bool) {
		for o, err := range c.store.List(ctx, prefix) {
			if !yield(restorepoint.Object{Key: o.Key, Size: o.Size, MD5: o.MD5}, err) || err != nil {
				return
			}
		}
	}
}

// told puts what is known of the contents in the place of what the store says.
func (c *contents) told(ctx context.Context, objects iter.Seq2[restorepoint.Object, error]) iter.Seq2[restorepoint.Object, error] {
	return func(yield func(restorepoint.Object, error) bool) {
		for o, err := range objects {
			if err == nil {
				o.MD5, err = c.md5(ctx, o)
			}
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}

// md5 is the MD5 of an object's content, or "" where nobody knows.
func (c *contents) md5(ctx context.Context, o restorepoint.Object) (string, error) {
	k, err := starrocks.ParseKey(o.Key)
	switch {
	case err != nil || k.MD5 == "" || o.MD5 == "":
		return "", nil
	case o.MD5 == k.MD5 || c.damaged >= believed:
		return o.MD5, nil
	case c.right >= believed:
		return "", nil
	}
	sum, err := c.read(ctx, o.Key)
	if err != nil {
		return "", err
	}
	if sum == k.MD5 {
		c.right++
	} else {
		c.damaged++
	}
	return sum, nil
}

func (c *contents) read(ctx context.Context, key string) (string, error) {
	body, err := c.store.Get(ctx, key, 0, -1)
	if err != nil {
		return "", err
	}
	defer body.Close()
	sum := md5.New()
	if _, err := io.Copy(sum, body); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
