package storagetest

import (
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"starkeep/storage"
)

const (
	rootAccess = "testkey"
	rootSecret = "testsecret123"
	region     = "us-east-1"
	bucketName = "starkeep-test"
)

// Server is a running versitygw, an S3 server over a directory, with one bucket. It listens on 127.0.0.1 and ends with
// the test that started it.
type Server struct {
	Endpoint  string // http://127.0.0.1:port
	Region    string
	AccessKey string
	SecretKey string
	Bucket    string
	Dir       string // the bucket's directory: a test may damage objects there, as files

	gateway *gateway
}

// gateway is what all copies of a Server share.
type gateway struct {
	process
	mu         sync.Mutex
	statements []any // of the bucket's policy
}

// StartS3 starts a server for the length of a test. Without the binary (STARKEEP_VERSITYGW, else bin/versitygw of the
// module or of one above it) the test is skipped, or fails when CI=true.
func StartS3(t testing.TB) Server {
	t.Helper()
	return start(t, "http")
}

// StartS3TLS is StartS3 over https with a certificate of its own; caFile is what a client must trust.
func StartS3TLS(t testing.TB) (server Server, caFile string) {
	t.Helper()
	certificate, key := writeCertificate(t)
	return start(t, "https", "--cert", certificate, "--key", key), certificate
}

func start(t testing.TB, scheme string, tls ...string) Server {
	t.Helper()
	return startGateway(t, scheme, append([]string{"--iam-dir", t.TempDir()}, tls...)...)
}

// startGateway runs versitygw with an account service and a bucket.
func startGateway(t testing.TB, scheme string, flags ...string) Server {
	t.Helper()
	data := t.TempDir()
	g := &gateway{process: process{
		binary: findTool(t, "versitygw"), env: []string{"HOME=" + data}, scheme: scheme, ready: "/healthz",
		args: func(address string) []string {
			return append(append([]string{"--access", rootAccess, "--secret", rootSecret, "--region", region, "--port", address, "--health", "/healthz",
				"--quiet", "--keep-alive"}, flags...), "posix", data)
		},
	}}
	g.run(t)
	server := Server{
		Endpoint: scheme + "://" + g.address, Region: region, AccessKey: rootAccess, SecretKey: rootSecret,
		Bucket: bucketName, Dir: filepath.Join(data, bucketName), gateway: g,
	}
	// The gateway's bucket is a directory; made through S3 it also has an owner.
	server.makeBucket(t)
	return server
}

func (s Server) makeBucket(t testing.TB) {
	t.Helper()
	if _, err := s.admin(t).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &s.Bucket}); err != nil {
		t.Fatalf("create bucket: %v", err)
	}
}

// Other is the server with a further bucket.
func (s Server) Other(t testing.TB) Server {
	t.Helper()
	s.Bucket += "-other"
	s.Dir += "-other"
	s.makeBucket(t)
	return s
}

// Config is a location in the server's bucket; prefix may be empty.
func (s Server) Config(prefix string) storage.Config {
	location := "s3://" + s.Bucket
	if prefix != "" {
		location += "/" + prefix
	}
	return storage.Config{Location: location, S3: storage.S3{
		Endpoint: s.Endpoint, Region: s.Region, AccessKey: s.AccessKey, SecretKey: s.SecretKey, PathStyle: true,
	}}
}

// Stop kills the server; its objects stay. Start brings it back at the same address.
func (s Server) Stop() { s.gateway.stop() }

// Start starts the server again after Stop.
func (s Server) Start(t testing.TB) {
	t.Helper()
	if err := s.gateway.start(); err != nil {
		t.Fatal(err)
	}
}

// User makes an IAM user that may do only the given actions ("s3:GetObject", "s3:ListBucket"), on everything in the
// bucket, and returns the server as that user sees it. Without actions the user may do nothing.
func (s Server) User(t testing.TB, name string, actions ...string) Server {
	t.Helper()
	secret := name + "-secret-123"
	create := exec.Command(s.gateway.binary, "admin", "--access", rootAccess, "--secret", rootSecret, "--endpoint-url", s.Endpoint,
		"create-user", "--access", name, "--secret", secret, "--role", "user")
	if out, err := create.CombinedOutput(); err != nil {
		t.Fatalf("create user %s: %v: %s", name, err, out)
	}
	if len(actions) > 0 {
		s.allow(t, name, actions)
	}
	s.AccessKey, s.SecretKey = name, secret
	return s
}

// allow adds statements to the bucket's policy: actions on objects and actions on the bucket have different resources.
func (s Server) allow(t testing.TB, name string, actions []string) {
	t.Helper()
	s.gateway.mu.Lock()
	defer s.gateway.mu.Unlock()
	resource := "arn:aws:s3:::" + s.Bucket
	for _, action := range actions {
		target := resource + "/*"
		if strings.HasPrefix(action, "s3:ListBucket") {
			target = resource
		}
		s.gateway.statements = append(s.gateway.statements, map[string]any{
			"Effect": "Allow", "Principal": map[string]string{"AWS": name}, "Action": action, "Resource": target,
		})
	}
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": s.gateway.statements})
	if err != nil {
		t.Fatal(err)
	}
	input := &s3.PutBucketPolicyInput{Bucket: &s.Bucket, Policy: aws.String(string(policy))}
	if _, err := s.admin(t).PutBucketPolicy(t.Context(), input); err != nil {
		t.Fatalf("put bucket policy: %v", err)
	}
}

// admin is a client with all rights, for what a Store does not do.
func (s Server) admin(t testing.TB) *s3.Client {
	t.Helper()
	return s3.New(s3.Options{
		BaseEndpoint: &s.Endpoint, Region: s.Region, UsePathStyle: true, HTTPClient: insecureClient(),
		Credentials: credentials.NewStaticCredentialsProvider(rootAccess, rootSecret, ""),
	})
}

// PendingUploads lists the multipart uploads that are neither complete nor aborted.
func (s Server) PendingUploads(t testing.TB) []string {
	t.Helper()
	answer, err := s.admin(t).ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &s.Bucket})
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorCode() == "NoSuchUpload" {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, upload := range answer.Uploads {
		keys = append(keys, aws.ToString(upload.Key))
	}
	return keys
}
