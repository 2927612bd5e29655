package starrockssim_test

import (
	"fmt"
	"strings"
	"testing"

	"starkeep/storage"
	"starkeep/storage/storagetest"
	sim "starkeep/test/starrockssim"
)

// s3Properties are those of CREATE REPOSITORY for a user of the server.
func s3Properties(s storagetest.Server) string {
	return fmt.Sprintf(`PROPERTIES ("aws.s3.endpoint"=%q, "aws.s3.region"=%q, "aws.s3.access_key"=%q, "aws.s3.secret_key"=%q, "aws.s3.enable_path_style_access"="true", "aws.s3.enable_ssl"="false", "what.ever"="1")`,
		strings.TrimPrefix(s.Endpoint, "http://"), s.Region, s.AccessKey, s.SecretKey)
}

// startOnS3 is a cluster without a repository, and a server.
func startOnS3(t *testing.T) (*sim.Cluster, storagetest.Server) {
	t.Helper()
	t.Parallel()
	s3 := storagetest.StartS3(t)
	c, err := sim.Start(sim.Options{Tick: tick})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, s3
}

// repositories are the rows of SHOW REPOSITORIES.
func repositories(t *testing.T, c *sim.Cluster) [][]string {
	t.Helper()
	rows, err := c.Query("SHOW REPOSITORIES")
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestCreateRepositoryAnswersAsRecordedWhenTheLocationCannotBeUsed(t *testing.T) {
	c, s3 := startOnS3(t)
	wrongSecret, wrongKey, wrongPort, wrongRegion := s3, s3, s3, s3
	wrongSecret.SecretKey = "wrong"
	wrongKey.AccessKey = "nobody"
	wrongPort.Endpoint = "http://127.0.0.1:1"
	wrongRegion.Region = "eu-west-1"
	for _, test := range []struct{ name, location, properties, want string }{
		{"secret", "s3a://" + s3.Bucket + "/x", s3Properties(wrongSecret), "S3Exception: Forbidden (Service: S3, Status Code: 403"},
		{"key", "s3a://" + s3.Bucket + "/x", s3Properties(wrongKey), "S3Exception: Forbidden (Service: S3, Status Code: 403"},
		{"right", "s3a://" + s3.Bucket + "/x", s3Properties(s3.User(t, "blind", "s3:GetObject", "s3:PutObject")), "S3Exception: Access Denied. (Service: S3, Status Code: 403"},
		{"bucket", "s3a://no-such-bucket/x", s3Properties(s3), "NoSuchBucketException: The specified bucket does not exist."},
		{"port", "s3a://" + s3.Bucket + "/x", s3Properties(wrongPort), "SdkClientException"},
		{"region", "s3a://" + s3.Bucket + "/x", s3Properties(wrongRegion), "S3Exception: Bad Request (Service: S3, Status Code: 400"},
		{"no keys", "s3a://" + s3.Bucket + "/x", "", "NoAuthWithAWSException: No AWS Credentials provided by"},
		{"no prefix", "s3a://" + s3.Bucket + "/", s3Properties(s3), "The arguments of blob store(S3/Azure) may be wrong."},
		{"no scheme", s3.Bucket + "/x", s3Properties(s3), "invalid path. scheme is null"},
		{"other scheme", "foo://" + s3.Bucket + "/x", s3Properties(s3), `UnsupportedFileSystemException: No FileSystem for scheme "foo"`},
		{"HDFS nameservice", "hdfs://ns/x", `PROPERTIES ("dfs.nameservices"="ns")`, "namenode HA should be set in hdfs/core-site.xml"},
		{"HDFS kerberos", "hdfs://nn:8020/x", `PROPERTIES ("hadoop.security.authentication"="kerberos")`, "kerberos should be set in hdfs/core-site.xml"},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := c.Exec(fmt.Sprintf("CREATE REPOSITORY bad WITH BROKER ON LOCATION %q %s", test.location, test.properties))
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "Failed to create repository: failed to list remote path: "+test.location) {
				t.Errorf("got %v\nwant %s", err, test.want)
			}
		})
	}
	if rows := repositories(t, c); len(rows) != 0 {
		t.Errorf("repositories after refusals: %v", rows)
	}
}

// A location that can be listed and not written is accepted, and only the ping tells (recordings 01, 01b). The same with
// READ ONLY, which writes __repo_info all the same.
func TestALocationThatCannotBeWrittenIsAccepted(t *testing.T) {
	c, s3 := startOnS3(t)
	reader := s3.User(t, "reader", "s3:ListBucket", "s3:GetObject")
	must(t, c, fmt.Sprintf(`CREATE REPOSITORY r WITH BROKER ON LOCATION "s3a://%s/ro" %s`, s3.Bucket, s3Properties(reader)))
	must(t, c, fmt.Sprintf(`CREATE READ ONLY REPOSITORY written WITH BROKER ON LOCATION "s3a://%s/ro" %s`, s3.Bucket, s3Properties(s3)))
	c.PingRepositories()
	for _, row := range repositories(t, c) {
		want := map[string]string{"r": "remote path does not exist: s3a://" + s3.Bucket + "/ro/__starrocks_repository_r", "written": ""}[row[1]]
		if !strings.HasSuffix(row[6], want) || (want == "") != (row[6] == "") && row[6] != "NULL" {
			t.Errorf("%s: %q, want %q", row[1], row[6], want)
		}
	}
	must(t, c, "DROP REPOSITORY written")
	// It is there now: whoever can read it attaches to it.
	must(t, c, fmt.Sprintf(`CREATE READ ONLY REPOSITORY written WITH BROKER ON LOCATION "s3a://%s/ro" %s`, s3.Bucket, s3Properties(reader)))
	c.PingRepositories()
	if row := repositories(t, c)[1]; row[1] != "written" || row[3] != "true" || strings.Contains(row[6], "remote path") {
		t.Errorf("attached: %v", row)
	}
}

// Without the right to delete, a BACKUP never ends (golden 50): the rename fails, then the delete of what it left.
func TestBackupHangsInUploadInfoWithoutTheRightToDelete(t *testing.T) {
	c, s3 := startOnS3(t)
	keeper := s3.User(t, "keeper", "s3:ListBucket", "s3:GetObject", "s3:PutObject")
	must(t, c, fmt.Sprintf(`CREATE REPOSITORY r WITH BROKER ON LOCATION "s3a://%s/nd" %s`, s3.Bucket, s3Properties(keeper)))
	sales(t, c)
	must(t, c, "BACKUP SNAPSHOT d.x TO r ON (pk)")
	part := fmt.Sprintf("s3a://%s/nd/__starrocks_repository_r/__ss_x/__meta.part", s3.Bucket)
	for _, want := range []string{
		"failed to delete remote path: " + part + ". msg: delete path " + part + "error",
	} {
		eventually(t, func() bool { return strings.Contains(status(t, c, "BACKUP", "d"), want) }, func() string { return fmt.Sprint(want, row(t, c, "BACKUP", "d")) })
	}
	if got := state(t, c, "BACKUP", "d"); got != "UPLOAD_INFO" {
		t.Errorf("state %s, want UPLOAD_INFO", got)
	}
	s3.User(t, "helper") // the policy is written anew
	must(t, c, "CANCEL BACKUP FROM d")
}

// What is at the location decides name and time of the repository (recordings 01b, 01c).
func TestAnExistingRepositoryIsAdopted(t *testing.T) {
	c, s3 := startOnS3(t)
	store, err := storage.Open(t.Context(), s3.Config("hand"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for key, text := range map[string]string{
		"__starrocks_repository_r/__repo_info":        `{"name":"r","create_time":"2020-01-01 00:00:00"}`,
		"__palo_repository_old/__repo_info":           `{"name":"old","create_time":"2020-01-01 00:00:00"}`,
		"__starrocks_repository_name/__repo_info":     `{"name":"r","create_time":"2021-01-01 00:00:00"}`,
		"__starrocks_repository_garbage/__repo_info":  `hello`,
		"__starrocks_repository_notime/__repo_info":   `{"name":"notime"}`,
		"__starrocks_repository_badtime/__repo_info":  `{"name":"badtime","create_time":"yesterday"}`,
		"__starrocks_repository_folder/__repo_info/x": `x`,
	} {
		if err := storage.WriteAll(t.Context(), store, key, []byte(text), storage.Overwrite); err != nil {
			t.Fatal(err)
		}
	}
	create := func(name string) string {
		return fmt.Sprintf(`CREATE REPOSITORY %s WITH BROKER ON LOCATION "s3a://%s/hand" %s`, name, s3.Bucket, s3Properties(s3))
	}
	for name, want := range map[string]string{
		"garbage": "A JSONObject text must begin with '{' at 1 [character 2 line 1]",
		"notime":  `JSONObject["create_time"] not found.`,
		"badtime": "failed to parse create time of repository: yesterday",
		"folder":  "the existing repo info is not a file",
	} {
		refused(t, c, create(name), "Failed to create repository: "+want)
	}
	must(t, c, create("old"), create("r"), create("name"))
	var got []string
	for _, row := range repositories(t, c) {
		got = append(got, row[1]+" "+row[2])
	}
	// Times are read as UTC+8. "name" took the name of the file: two rows have it.
	if want := "[old 2019-12-31 16:00:00 r 2019-12-31 16:00:00 r 2020-12-31 16:00:00]"; fmt.Sprint(got) != want {
		t.Errorf("repositories %v, want %s", got, want)
	}
	must(t, c, "CREATE DATABASE d", "CREATE TABLE d.t (k INT) DUPLICATE KEY(k) DISTRIBUTED BY HASH(k) BUCKETS 1 PROPERTIES('replication_num'='1')", "BACKUP SNAPSHOT d.l TO old ON (t)")
	reach(t, c, "BACKUP", "d", "FINISHED")
	for o, err := range store.List(t.Context(), "__starrocks_repository_old/") {
		t.Errorf("%s %v: beside the older directory, which is in use", o.Key, err)
	}
	must(t, c, "DROP REPOSITORY r")
	refused(t, c, "DROP REPOSITORY r", "Repository does not exist.")
	if rows := repositories(t, c); len(rows) != 2 {
		t.Errorf("%v: one of two rows of one name goes", rows)
	}
}
