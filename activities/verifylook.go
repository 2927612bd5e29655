package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"starkeep/restorepoint"
	"starkeep/storage"
	"starkeep/workflows/spec"
)

// maxVerifiedBytes bounds the record of a verification in memory.
const maxVerifiedBytes = 64 << 20

func readVerification(ctx context.Context, store storage.Store, key string) (restorepoint.Verification, error) {
	data, err := storage.ReadAll(ctx, store, key, maxVerifiedBytes)
	if err != nil {
		return restorepoint.Verification{}, err
	}
	return restorepoint.DecodeVerification(data)
}

// lastVerifications reads what the last verifications wrote down: of each, which all points share, one point's.
func lastVerifications(ctx context.Context, store storage.Store, files pointKeys) ([]restorepoint.Verification, error) {
	byRun := map[string]string{}
	for _, list := range files.verifications {
		for _, key := range list {
			byRun[runOf(key)] = key
		}
	}
	runs := sortedNames(byRun)
	slices.Reverse(runs)
	var last []restorepoint.Verification
	for _, run := range runs[:min(len(runs), lookedAt)] {
		v, err := readVerification(ctx, store, byRun[run])
		switch {
		case errors.Is(err, storage.ErrNotFound), errors.Is(err, restorepoint.ErrFormat):
			continue // pruned, or a newer starkeep wrote it
		case err != nil:
			return nil, err
		}
		last = append(last, v)
	}
	return last, nil
}

// runOf is the part of a key by which drills, or verifications, of all points sort.
func runOf(key string) string {
	k, err := restorepoint.ParseKey(key)
	if err != nil {
		return ""
	}
	return k.Run
}

// readVerificationRow reads one verification; one that cannot be read says so.
func readVerificationRow(ctx context.Context, store storage.Store, key string) *spec.VerificationRow {
	v, err := readVerification(ctx, store, key)
	if err != nil {
		return &spec.VerificationRow{Result: "unreadable", Reason: err.Error()}
	}
	row := &spec.VerificationRow{At: v.At.UTC().Format(time.RFC3339), Result: v.Result, Content: v.Content, Part: v.Part, Of: v.Of, Found: v.Found, Repaired: v.Repaired}
	for _, p := range v.Problems {
		if !p.Repaired {
			row.Reason = strings.TrimSpace(p.Database + " " + p.String())
			break
		}
	}
	return row
}

// addVerifications adds the last verifications to a restore point's details.
func addVerifications(ctx context.Context, r *Repository, cluster string, out *spec.PointDetails) error {
	keys, err := lastKeys(ctx, r.Store, restorepoint.VerificationPrefix(cluster, out.ID))
	if err != nil {
		return fmt.Errorf("list the verifications of restore point %s: %w", out.ID, err)
	}
	for _, key := range keys {
		out.Verifications = append(out.Verifications, *readVerificationRow(ctx, r.Store, key))
	}
	if len(out.Verifications) > 0 {
		out.Verified = &out.Verifications[0]
	}
	return nil
}
