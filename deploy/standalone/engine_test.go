package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
)

func TestEngineKeepsWorkflowsOverARestart(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	dir := filepath.Join(t.TempDir(), "new", "data")

	first := start(t, ctx, dir)
	options := client.StartWorkflowOptions{ID: "a/b", TaskQueue: "nobody-polls"}
	run, err := first.Client.ExecuteWorkflow(ctx, options, "Waiting", "input")
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}

	second := start(t, ctx, dir)
	defer stop(t, second)
	found, err := second.Client.DescribeWorkflowExecution(ctx, "a/b", "")
	if err != nil {
		t.Fatal(err)
	}
	info := found.GetWorkflowExecutionInfo()
	if info.GetExecution().GetRunId() != run.GetRunID() || info.GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		t.Errorf("after the restart: run %s is %s, want %s running", info.GetExecution().GetRunId(), info.GetStatus(), run.GetRunID())
	}
}

func TestEngineServesTheUIAndListensOnLoopbackOnly(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	e := start(t, ctx, t.TempDir())
	defer stop(t, e)

	response, err := http.Get(e.UI.Address + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(page), "<html") {
		t.Errorf("GET / of the UI: %s, %d bytes, %v", response.Status, len(page), err)
	}
	for _, address := range listening(t) {
		host, _, err := net.SplitHostPort(address)
		if err != nil || !net.ParseIP(host).IsLoopback() {
			t.Errorf("listens on %s, which others can reach", address)
		}
	}
}

func TestTwoProcessesCannotShareADataDirectory(t *testing.T) {
	dir := t.TempDir()
	lock, err := lockDirectory(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := startEngine(t.Context(), dir, Ports{}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second engine on the directory: %v, want a refusal", err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := lockDirectory(dir)
	if err != nil {
		t.Fatalf("after the first one ended: %v", err)
	}
	again.Close()
}

func TestATakenPortIsNamed(t *testing.T) {
	taken, err := net.Listen("tcp", hostPort(0))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().(*net.TCPAddr).Port
	_, err = startEngine(t.Context(), t.TempDir(), Ports{Temporal: port})
	if err == nil || !strings.Contains(err.Error(), portOf(taken.Addr().String())) {
		t.Errorf("start on a taken port: %v, want an error that names it", err)
	}
}

func TestAHalfMadeDatabaseIsMadeAgain(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "temporal.db.new"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	stop(t, start(t, ctx, dir))
}

func TestGatewayServesS3WithItsOwnKeys(t *testing.T) {
	t.Chdir(t.TempDir()) // the gateway changes the working directory; this brings it back
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	g, err := startGateway(ctx, filepath.Join(t.TempDir(), "s3"), "bucket", 0)
	if err != nil {
		t.Fatal(err)
	}
	put := func(secret string) error {
		c := s3.New(s3.Options{
			BaseEndpoint: aws.String(g.Endpoint), Region: gatewayRegion, UsePathStyle: true,
			Credentials: credentials.NewStaticCredentialsProvider(g.AccessKey, secret, ""),
		})
		_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("a/b"), Body: strings.NewReader("text")})
		return err
	}
	if err := put(g.SecretKey); err != nil {
		t.Errorf("put with the right keys: %v", err)
	}
	if err := put("wrong"); err == nil {
		t.Error("put with a wrong secret was accepted")
	}
	if err := g.Stop(); err != nil {
		t.Error(err)
	}
}

func TestPathsAreMeantFromTheShellsDirectory(t *testing.T) {
	t.Setenv("PWD", "/home/someone")
	for path, want := range map[string]string{
		"starkeep.yaml":   "/home/someone/starkeep.yaml",
		"../data":         "/home/data",
		"/srv/x/../data/": "/srv/data",
	} {
		if got, err := userPath(path); err != nil || got != want {
			t.Errorf("userPath(%q) = %q, %v; want %q", path, got, err, want)
		}
	}
}

func start(t *testing.T, ctx context.Context, dir string) *engine {
	t.Helper()
	e, err := startEngine(ctx, dir, Ports{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func stop(t *testing.T, e *engine) {
	t.Helper()
	if err := e.Stop(); err != nil {
		t.Error(err)
	}
}
