package storagetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

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

	startTimeout  = 30 * time.Second
	startAttempts = 3 // another process may take the free port before the server does
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

	process *process
}

// process is what all copies of a Server share.
type process struct {
	binary  string
	dir     string // data/, iam/ and log
	address string
	tls     []string // flags

	mu         sync.Mutex
	command    *exec.Cmd
	ended      chan struct{} // closed when command has ended
	statements []any         // of the bucket's policy
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
	p := &process{binary: findBinary(t), dir: t.TempDir(), tls: tls}
	for _, dir := range []string{"data", "iam"} {
		if err := os.Mkdir(filepath.Join(p.dir, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(p.stop)
	var err error
	for range startAttempts {
		if p.address, err = freeAddress(); err != nil {
			t.Fatal(err)
		}
		if err = p.start(); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	server := Server{
		Endpoint: scheme + "://" + p.address, Region: region, AccessKey: rootAccess, SecretKey: rootSecret,
		Bucket: bucketName, Dir: filepath.Join(p.dir, "data", bucketName), process: p,
	}
	// The gateway's bucket is a directory; made through S3 it also has an owner.
	if _, err := server.admin(t).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(bucketName)}); err != nil {
		t.Fatalf("create bucket: %v", err)
	}
	return server
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
func (s Server) Stop() { s.process.stop() }

// Start starts the server again after Stop.
func (s Server) Start(t testing.TB) {
	t.Helper()
	if err := s.process.start(); err != nil {
		t.Fatal(err)
	}
}

// User makes an IAM user that may do only the given actions ("s3:GetObject", "s3:ListBucket"), on everything in the
// bucket, and returns the server as that user sees it. Without actions the user may do nothing.
func (s Server) User(t testing.TB, name string, actions ...string) Server {
	t.Helper()
	secret := name + "-secret-123"
	create := exec.Command(s.process.binary, "admin", "--access", rootAccess, "--secret", rootSecret, "--endpoint-url", s.Endpoint,
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
	s.process.mu.Lock()
	defer s.process.mu.Unlock()
	resource := "arn:aws:s3:::" + s.Bucket
	for _, action := range actions {
		target := resource + "/*"
		if strings.HasPrefix(action, "s3:ListBucket") {
			target = resource
		}
		s.process.statements = append(s.process.statements, map[string]any{
			"Effect": "Allow", "Principal": map[string]string{"AWS": name}, "Action": action, "Resource": target,
		})
	}
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": s.process.statements})
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

// start runs the server and waits until it answers.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	flags := []string{"--access", rootAccess, "--secret", rootSecret, "--region", region, "--port", p.address, "--health", "/healthz",
		"--quiet", "--keep-alive", "--iam-dir", filepath.Join(p.dir, "iam")}
	flags = append(append(flags, p.tls...), "posix", filepath.Join(p.dir, "data"))
	var output bytes.Buffer
	command := exec.Command(p.binary, flags...)
	command.Env = []string{"HOME=" + p.dir, "PATH=" + os.Getenv("PATH")}
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { _ = command.Wait(); close(ended) }()
	p.command, p.ended = command, ended
	if p.ready() {
		return nil
	}
	_ = command.Process.Kill()
	<-ended
	p.command = nil
	return fmt.Errorf("versitygw did not start at %s: %s", p.address, output.String())
}

// ready polls until the server answers, ends, or takes too long.
func (p *process) ready() bool {
	scheme := "http"
	if len(p.tls) > 0 {
		scheme = "https"
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	client := insecureClient()
	defer client.CloseIdleConnections()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		request, _ := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+p.address+"/healthz", nil)
		if answer, err := client.Do(request); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return true
			}
		}
		select {
		case <-p.ended:
			return false
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

func (p *process) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.command == nil {
		return
	}
	_ = p.command.Process.Kill()
	<-p.ended
	p.command = nil
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

// findBinary looks for bin/versitygw beside the go.mod of this module, or of a module above it.
func findBinary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("STARKEEP_VERSITYGW"); path != "" {
		return path
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		path := filepath.Join(dir, "bin", "versitygw")
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	const missing = "bin/versitygw is missing: run `make tools`"
	if os.Getenv("CI") == "true" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}
