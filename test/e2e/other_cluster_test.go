package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"starkeep/test/starrockssim"
	"starkeep/test/testbed"
	"starkeep/workflows/spec"
)

const otherCluster = "dr"

// twoClusters is the sales databases, backed up on one cluster, and a second one that knows nothing of it.
func twoClusters(t *testing.T) (b *testbed.Bed, other *starrockssim.Cluster) {
	t.Helper()
	b = testbed.Start(t, testbed.Options{})
	other = b.AddCluster(t, otherCluster, testbed.Options{})
	b.StartWorker(t)
	sales(t, b)
	if _, err := runBackup(t, b, spec.Backup{}); err != nil {
		t.Fatalf("backup: %v", err)
	}
	return b, other
}

// restoreElsewhere restores what the first cluster has backed up into the second one.
func restoreElsewhere(t *testing.T, b *testbed.Bed, in spec.Restore) (spec.RestoreResult, error) {
	t.Helper()
	in.Cluster, in.Repository, in.SourceCluster = otherCluster, testbed.RepositoryName, testbed.ClusterName
	var out spec.RestoreResult
	err := execute(t, b, spec.RestoreWorkflow, spec.RestoreID(in.Cluster, unique()), in, &out)
	return out, err
}

func repositoriesOf(t *testing.T, sim *starrockssim.Cluster) string {
	t.Helper()
	rows, err := sim.Query("SHOW REPOSITORIES")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, r := range rows {
		lines = append(lines, fmt.Sprintf("%s readOnly=%s %s", r[1], r[3], r[4]))
	}
	return strings.Join(lines, "; ")
}

// What one cluster backed up comes back on another one, byte by byte, whether that knows the repository or not.
func TestRestoreOnAnotherCluster(t *testing.T) {
	t.Parallel()
	b, other := twoClusters(t)
	location := "s3a://" + b.S3.Bucket + "/backups"

	t.Run("the plan says that the repository is created, and creates nothing", func(t *testing.T) {
		out, err := restoreElsewhere(t, b, spec.Restore{DryRun: true})
		if err != nil || len(out.Plan) != 3 {
			t.Fatalf("%+v, %v", out, err)
		}
		want := "cluster dr does not know repository repo: it is created there READ ONLY, at " + location + ", and stays"
		if !strings.Contains(fmt.Sprint(out.Warnings), want) {
			t.Errorf("warnings %q lack %q", out.Warnings, want)
		}
		if got := repositoriesOf(t, other); got != "" {
			t.Errorf("the dry run created %s", got)
		}
	})
	t.Run("a repository that is missing is created READ ONLY", func(t *testing.T) {
		out, err := restoreElsewhere(t, b, spec.Restore{})
		if err != nil || len(out.Tables) != 3 || out.FailedCount != 0 {
			t.Fatalf("%+v, %v", out, err)
		}
		for _, table := range salesTables {
			if got, want := other.Content(table[0], table[1]), b.Sim.Content(table[0], table[1]); got != want {
				t.Errorf("%v on the other cluster:\n%s\nwant\n%s", table, got, want)
			}
		}
		if got, want := repositoriesOf(t, other), "repo readOnly=true "+location; got != want {
			t.Errorf("repositories: %s, want %s", got, want)
		}
		for _, s := range other.Accepted("CREATE READ ONLY REPOSITORY") {
			if !strings.Contains(s.SQL, `"aws.s3.enable_path_style_access" = "true"`) {
				t.Errorf("created with other properties than the profile's")
			}
		}
	})
	t.Run("nothing can be backed up into it there", func(t *testing.T) {
		in := spec.Backup{Cluster: otherCluster, Repository: testbed.RepositoryName}
		var out spec.BackupResult
		err := execute(t, b, spec.BackupWorkflow, spec.BackupID(otherCluster, unique()), in, &out)
		if errorType(err) != spec.ErrorRepositoryMissing || !strings.Contains(err.Error(), "READ ONLY") {
			t.Errorf("ended with %v", err)
		}
	})
	t.Run("one that is there READ ONLY is used as it is", func(t *testing.T) {
		out, err := restoreElsewhere(t, b, spec.Restore{Rename: map[string]string{"sales": "again"}, Include: []string{"sales"}})
		if err != nil || len(out.Tables) != 2 || len(out.Warnings) != 0 {
			t.Fatalf("%+v, %v", out, err)
		}
		if n := len(other.Accepted("CREATE READ ONLY REPOSITORY")); n != 1 {
			t.Errorf("%d repositories were created", n)
		}
	})
	t.Run("one of that name elsewhere is refused with the difference", func(t *testing.T) {
		if err := other.Exec("DROP REPOSITORY repo"); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := other.Exec(fmt.Sprintf(`CREATE REPOSITORY repo WITH BROKER ON LOCATION "file://%s"`, dir)); err != nil {
			t.Fatal(err)
		}
		_, err := restoreElsewhere(t, b, spec.Restore{Rename: map[string]string{"web": "third"}, Include: []string{"web"}})
		want := fmt.Sprintf(`repository "repo" of cluster dr is at file://%s, but profile repo says %s`, dir, location)
		if errorType(err) != spec.ErrorRepositoryMissing || !strings.Contains(err.Error(), want) {
			t.Errorf("ended with %v, want %q", err, want)
		}
		if _, err := os.Stat(dir + "/__starrocks_repository_repo"); err != nil {
			t.Errorf("the other repository is not as it was: %v", err)
		}
	})
}
