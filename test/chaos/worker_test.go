package chaos

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"starkeep/worker/config"
	"starkeep/worker/run"
)

// What a worker process reads from its environment.
const (
	envWorker    = "STARKEEP_CHAOS_WORKER"    // path of the configuration
	envTemporal  = "STARKEEP_CHAOS_TEMPORAL"  // address
	envNamespace = "STARKEEP_CHAOS_NAMESPACE" //
	envTrace     = "STARKEEP_CHAOS_TRACE"     // file that gets the name of each activity that begins
	envKill      = "STARKEEP_CHAOS_KILL"      // a point; "" for none
	envMarker    = "STARKEEP_CHAOS_MARKER"    // file that is made before the kill; it happens once
)

// workerMain is the whole life of a worker process; SIGTERM ends it gracefully.
func workerMain() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	worker.SetBinaryChecksum("chaos") // the SDK would hash the whole binary, a quarter of all that a worker does here
	if err := serve(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		return 1
	}
	return 0
}

func serve(ctx context.Context) error {
	c, err := config.Load(os.Getenv(envWorker))
	if err != nil {
		return err
	}
	point, err := parsePoint(os.Getenv(envKill))
	if err != nil {
		return err
	}
	trace, err := os.OpenFile(os.Getenv(envTrace), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer trace.Close()
	encoder := zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig())
	return run.Run(ctx, run.Options{
		Config: c, Logger: zap.New(zapcore.NewCore(encoder, zapcore.Lock(os.Stderr), zapcore.DebugLevel)),
		Temporal:      client.Options{HostPort: os.Getenv(envTemporal), Namespace: os.Getenv(envNamespace)},
		Interceptors:  []interceptor.WorkerInterceptor{&killer{point: point, marker: os.Getenv(envMarker), trace: trace}},
		StickyTimeout: time.Second,
	})
}
