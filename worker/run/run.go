// Package run is a starkeep worker: it opens what the configuration names, connects to Temporal, serves the task queue
// and stops gracefully. The worker binary and deploy/standalone are thin shells around it.
package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"
	"go.uber.org/zap"

	"starkeep/activities"
	"starkeep/worker/config"
	"starkeep/workflows"
	"starkeep/workflows/spec"
)

// stopTimeout is how long activities may take to hand over when the worker stops.
const stopTimeout = 30 * time.Second

// maxActivities bounds the activities at once. Most of them are Awaits, which hold no more than a poll.
const maxActivities = 500

// Options of a worker. Config and Logger are required.
type Options struct {
	Config *config.Config
	Logger *zap.Logger
	// Temporal overrides where the server is; without a HostPort it comes from the configuration, then from Temporal's
	// own environment (TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TLS, API key).
	Temporal client.Options
	// Listen is the address of /healthz, /readyz and /metrics; "" serves none.
	Listen string
	// Interceptors wrap activities and workflows; tests kill workers with them.
	Interceptors []interceptor.WorkerInterceptor
	// StickyTimeout is how long another worker waits for one that died. 0 is Temporal's default of 5 s.
	StickyTimeout time.Duration
}

// Run serves until ctx ends, then hands running activities over and returns nil. It returns an error when the worker
// cannot start or loses its right to poll.
func Run(ctx context.Context, o Options) error {
	opened, err := Open(ctx, o.Config)
	if err != nil {
		return err
	}
	defer opened.Close()
	metrics := newMetrics()
	temporal, err := temporalOptions(o)
	if err != nil {
		return err
	}
	c, err := dial(temporal, o.Logger, metrics)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := addSearchAttributes(ctx, c, temporal.Namespace); err != nil {
		if ctx.Err() != nil {
			return nil // told to stop before it began
		}
		return err
	}
	stop, err := serveHTTP(o.Listen, c, metrics)
	if err != nil {
		return err
	}
	defer stop()
	failed := make(chan error, 1)
	w := worker.New(c, spec.TaskQueue, worker.Options{
		MaxConcurrentActivityExecutionSize: maxActivities,
		WorkerStopTimeout:                  stopTimeout,
		StickyScheduleToStartTimeout:       o.StickyTimeout,
		Interceptors:                       o.Interceptors,
		OnFatalError:                       func(err error) { failed <- err },
	})
	workflows.Register(w)
	w.RegisterActivity(opened.Activities)
	if err := w.Start(); err != nil {
		return fmt.Errorf("start serving task queue %s: %w", spec.TaskQueue, err)
	}
	defer w.Stop()
	o.Logger.Info("serving", zap.String("task_queue", spec.TaskQueue), zap.Strings("clusters", o.Config.ClusterNames()), zap.Strings("repositories", o.Config.RepositoryNames()))
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return fmt.Errorf("serve task queue %s: %w", spec.TaskQueue, err)
	}
}

// temporalOptions say where the Temporal server is: as o says, else as the configuration does, else as Temporal's own
// environment does.
func temporalOptions(o Options) (client.Options, error) {
	options := o.Temporal
	if options.HostPort == "" {
		loaded, err := envconfig.LoadDefaultClientOptions()
		if err != nil {
			return client.Options{}, fmt.Errorf("read Temporal's environment: %w", err)
		}
		loaded.HostPort = cmp.Or(o.Config.Temporal.Address, loaded.HostPort)
		loaded.Namespace = cmp.Or(o.Temporal.Namespace, o.Config.Temporal.Namespace, loaded.Namespace)
		options = loaded
	}
	options.Namespace = cmp.Or(options.Namespace, o.Config.Temporal.Namespace, client.DefaultNamespace)
	return options, nil
}

// dial connects to the Temporal server.
func dial(options client.Options, logger *zap.Logger, metrics *metrics) (client.Client, error) {
	options.Logger = newLogger(logger)
	options.MetricsHandler = metrics.handler()
	c, err := client.Dial(options)
	if err != nil {
		return nil, fmt.Errorf("connect to Temporal at %s, namespace %s: %w; set TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE, or temporal in the configuration", options.HostPort, options.Namespace, err)
	}
	return c, nil
}

// serveHTTP answers health and metrics until stop is called.
func serveHTTP(address string, c client.Client, m *metrics) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", m.http())
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, r *http.Request) {
		if _, err := c.CheckHealth(r.Context(), &client.CheckHealthRequest{}); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	listener, err := listen(address)
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	return func() { _ = server.Close(); <-done }, nil
}

// Opened is what a configuration names, with connections.
type Opened struct {
	Activities *activities.Activities
	close      []func() error
}

// Close ends all connections.
func (o *Opened) Close() error {
	var errs []error
	for _, c := range o.close {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}
