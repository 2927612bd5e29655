package chaos

import (
	"bytes"
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

// damagedCopy puts the lane's restore point into a directory and damages it there: manifest, record, two objects.
func damagedCopy(c *trial) {
	emptyDirectory(c)
	c.Cleanup(func() { emptyDirectory(c) })
	there, err := storage.Open(c.Context(), storage.Config{Location: "file://" + c.lane.directory})
	if err != nil {
		c.Fatal(err)
	}
	at := restorepoint.ClusterPrefix(testbed.ClusterName)
	var data []string
	copied := func(key string) {
		content, err := storage.ReadAll(c.Context(), c.lane.bed.Store, key, 1<<30)
		if err != nil {
			c.Fatal(err)
		}
		switch {
		case strings.HasSuffix(key, "/snapshot.json"), strings.HasSuffix(key, "/manifest.json"):
			content = content[:len(content)/2]
		case strings.Contains(key, "_0.dat."):
			if data = append(data, key); len(data) == 1 {
				return
			}
			if len(data) == 2 {
				content = bytes.Repeat([]byte("x"), len(content))
			}
		}
		if err := storage.WriteAll(c.Context(), there, key, content, storage.Overwrite); err != nil {
			c.Fatal(err)
		}
	}
	copied(restorepoint.ManifestKey(testbed.ClusterName, c.lane.point))
	copied(starrocks.RepoInfoKey(testbed.RepositoryName))
	for _, prefix := range []string{at + "snapshots/sk_" + c.lane.source + "_", "__starrocks_repository_" + testbed.RepositoryName + "/__ss_sk_" + c.lane.source + "_"} {
		for _, o := range keys(c.T, c.lane.bed.Store, prefix) {
			copied(o.Key)
		}
	}
}

func emptyDirectory(c *trial) {
	entries, err := os.ReadDir(c.lane.directory)
	for _, e := range entries {
		err = os.RemoveAll(filepath.Join(c.lane.directory, e.Name()))
	}
	if err != nil {
		c.Error(err)
	}
}

// runVerify verifies the copy and repairs it from the repository, reading everything. Then nothing is wrong any more.
func runVerify(c *trial) (any, error) {
	in := spec.Verify{Cluster: testbed.ClusterName, Where: c.lane.repository, Points: []string{c.lane.point}, Content: spec.ContentAll, RepairFrom: testbed.RepositoryName}
	var out spec.VerifyResult
	if err := c.execute(spec.VerifyWorkflow, spec.VerifyID(in.Cluster, c.database), in, &out); err != nil {
		return nil, err
	}
	err := filepath.WalkDir(c.lane.directory, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		key, _ := filepath.Rel(c.lane.directory, path)
		if k, err := restorepoint.ParseKey(key); err == nil && (k.Kind == restorepoint.KeyPlan || k.Kind == restorepoint.KeyVerification) {
			return nil
		}
		have, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		want, err := storage.ReadAll(c.Context(), c.lane.bed.Store, key, 1<<30)
		if err == nil && !bytes.Equal(have, want) {
			err = fmt.Errorf("%s is not repaired", key)
		}
		return err
	})
	found := map[string]int{}
	for _, p := range out.Problems {
		found[fmt.Sprint(p.Kind, p.Repaired)]++
	}
	return []any{out.Result, out.Verified, out.Damaged, out.Snapshots, out.Objects, out.Read, out.Found, out.Repaired, found}, err
}
