package storagetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"starkeep/storage"
)

// StartMinIO starts MinIO for the length of a test: a second opinion beside versitygw, and the one server here whose session
// tokens are real. Its AssumeRole, at the same Endpoint, takes any role ARN and external id.
//
// What it does otherwise than S3: any region is accepted; If-Match is ignored by deletes; ListMultipartUploads finds an upload
// by its whole key alone; a key segment has at most 255 bytes, and names with "//", "." or ".." segments are refused. Keys that
// are the beginning of others ("a" beside "a/b") are kept, which versitygw refuses.
func StartMinIO(t testing.TB) Server {
	t.Helper()
	dir := t.TempDir()
	g := &gateway{process: process{
		binary: findTool(t, "minio"), scheme: "http", ready: "/minio/health/ready",
		env: []string{"HOME=" + dir, "MINIO_ROOT_USER=" + rootAccess, "MINIO_ROOT_PASSWORD=" + rootSecret, "MINIO_BROWSER=off", "MINIO_UPDATE=off",
			"MINIO_REGION=" + region},
		args: func(address string) []string {
			return []string{"server", "--address", address, "--quiet", dir + "/data"}
		},
	}}
	g.run(t)
	server := Server{
		Endpoint: "http://" + g.address, Region: region, AccessKey: rootAccess, SecretKey: rootSecret, Bucket: bucketName, gateway: g,
	}
	server.makeBucket(t)
	waitForRoles(t, server)
	return server
}

// waitForRoles waits until MinIO hands out keys of roles: it calls itself ready some time before.
func waitForRoles(t testing.TB, server Server) {
	t.Helper()
	store, err := storage.Open(t.Context(), Assumed(server, ""))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		_, err := store.Stat(ctx, "nothing")
		if errors.Is(err, storage.ErrNotFound) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("MinIO hands out no keys of roles: %v", err)
		case <-tick.C:
		}
	}
}

// Assumed is Config with keys of a role, from MinIO's own STS.
func Assumed(server Server, prefix string) storage.Config {
	c := server.Config(prefix)
	c.S3.Role = storage.Role{ARN: "arn:aws:iam::123456789012:role/any", Endpoint: server.Endpoint}
	return c
}

// Locked is the server with a further bucket that keeps the versions of objects, and lets nobody delete one for a day.
func (s Server) Locked(t testing.TB) Server {
	t.Helper()
	s.Bucket, s.Dir = bucketName+"-locked", ""
	if _, err := s.admin(t).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &s.Bucket, ObjectLockEnabledForBucket: aws.Bool(true)}); err != nil {
		t.Fatalf("create a bucket with object lock: %v", err)
	}
	day := &types.DefaultRetention{Mode: types.ObjectLockRetentionModeCompliance, Days: aws.Int32(1)}
	_, err := s.admin(t).PutObjectLockConfiguration(t.Context(), &s3.PutObjectLockConfigurationInput{Bucket: &s.Bucket,
		ObjectLockConfiguration: &types.ObjectLockConfiguration{ObjectLockEnabled: types.ObjectLockEnabledEnabled, Rule: &types.ObjectLockRule{DefaultRetention: day}}})
	if err != nil {
		t.Fatalf("set a retention period: %v", err)
	}
	return s
}

// Versions counts the versions, without deletion marks, of the objects whose key in the bucket begins with a prefix.
func (s Server) Versions(t testing.TB, prefix string) (n int) {
	t.Helper()
	pages := s3.NewListObjectVersionsPaginator(s.admin(t), &s3.ListObjectVersionsInput{Bucket: &s.Bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n += len(page.Versions)
	}
	return n
}
