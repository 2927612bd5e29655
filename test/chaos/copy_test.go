package chaos

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"starkeep/restorepoint"
	"starkeep/starrocks"
	"starkeep/storage"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

// emptyMirror takes everything out of the lane's mirror.
func emptyMirror(c *trial) {
	entries, err := os.ReadDir(c.lane.mirrored)
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(c.lane.mirrored, e.Name())))
	}
	if err != nil {
		c.Fatal(err)
	}
}

// runCopy copies a point of several native snapshots to the lane's mirror. What an earlier attempt has moved is there when
// the next one looks: only the sum is the same.
func runCopy(c *trial) (any, error) {
	in := spec.Copy{Cluster: testbed.ClusterName, From: testbed.RepositoryName, To: c.lane.mirror, Point: c.lane.point}
	var out spec.CopyResult
	if err := c.execute(spec.CopyWorkflow, spec.CopyID(in.Cluster, in.From, in.To), in, &out); err != nil {
		return nil, err
	}
	out.Present, out.Objects, out.Moved = out.Present+out.Objects, 0, 0
	out.Points, out.To = nil, ""
	differs, err := c.mirrorDiffers(c.lane.point)
	return []any{out, differs}, err
}

// runMirrored backs up with a mirror, and waits until it has the point.
func runMirrored(c *trial) (any, error) {
	var out spec.BackupResult
	in := spec.Backup{Cluster: testbed.ClusterName, Repository: testbed.RepositoryName, Include: []string{c.database}, Mirrors: []string{c.lane.mirror},
		Limits: spec.Limits{MaxPartitionsPerUnit: 2}}
	if err := c.execute(spec.BackupWorkflow, spec.BackupID(in.Cluster, c.database), in, &out); err != nil {
		return nil, err
	}
	c.point = out.Point
	copying := c.lane.client.GetWorkflow(c.Context(), spec.CopyID(in.Cluster, in.Repository, c.lane.mirror), "")
	if err := copying.Get(c.Context(), nil); err != nil {
		return nil, fmt.Errorf("the copy: %w", err)
	}
	for i := range out.Mirrors {
		out.Mirrors[i].Mirror, out.Mirrors[i].Copy = "", ""
	}
	differs, err := c.mirrorDiffers(out.Point)
	return []any{out, differs}, err
}

// mirrorDiffers says what a point needs and the lane's mirror has not as the repository has it, and which plans are left.
func (c *trial) mirrorDiffers(point string) (lines []string, err error) {
	mirror, err := storage.Open(c.Context(), storage.Config{Location: "file://" + filepath.ToSlash(c.lane.mirrored)})
	if err != nil {
		return nil, err
	}
	defer mirror.Close()
	data, err := storage.ReadAll(c.Context(), c.lane.bed.Store, restorepoint.ManifestKey(testbed.ClusterName, point), 1<<30)
	if err != nil {
		return nil, err
	}
	m, err := restorepoint.DecodeManifest(data)
	if err != nil {
		return nil, err
	}
	prefixes := []string{restorepoint.ManifestKey(testbed.ClusterName, point), starrocks.RepoInfoKey(testbed.RepositoryName)}
	for _, s := range m.Snapshots {
		prefixes = append(prefixes, starrocks.Snapshot{Repository: testbed.RepositoryName, Label: s.Label}.Prefix(), restorepoint.SnapshotPrefix(testbed.ClusterName, s.Label))
	}
	for _, prefix := range prefixes {
		found := 0
		for _, o := range keys(c.T, c.lane.bed.Store, prefix) {
			found++
			want, err := storage.ReadAll(c.Context(), c.lane.bed.Store, o.Key, 1<<30)
			if err != nil {
				return nil, err
			}
			if got, err := storage.ReadAll(c.Context(), mirror, o.Key, 1<<30); err != nil || string(got) != string(want) {
				lines = append(lines, fmt.Sprintf("%s differs: %v", o.Key, err))
			}
		}
		if found == 0 {
			lines = append(lines, "nothing below "+prefix)
		}
	}
	for _, o := range keys(c.T, mirror, restorepoint.ClusterPrefix(testbed.ClusterName)) {
		if strings.Contains(o.Key, "/plans/") {
			lines = append(lines, "a plan is left")
		}
	}
	return lines, nil
}
