package main

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"

	"starkeep/workflows/spec"
)

// dialTimeout bounds the first contact with Temporal.
const dialTimeout = 10 * time.Second

// temporalServer is a connection to Temporal that knows how to name itself.
type temporalServer struct {
	client.Client
	where     string // "127.0.0.1:7233, namespace default"
	converter converter.DataConverter
}

// connect reaches Temporal as the environment and the Temporal profile say (address, TLS, API key), flags first.
func (c *cli) connect(ctx context.Context) (*temporalServer, error) {
	options, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{IncludeRemoteCodec: true})
	if err != nil {
		return nil, usagef("the Temporal profile cannot be used: %v", err)
	}
	if c.address != "" {
		options.HostPort = c.address
	}
	if c.namespace != "" {
		options.Namespace = c.namespace
	}
	options.HostPort = orDefault(options.HostPort, client.DefaultHostPort)
	options.Namespace = orDefault(options.Namespace, client.DefaultNamespace)
	options.Logger = log.NewStructuredLogger(slog.New(slog.DiscardHandler))
	options.ConnectionOptions.GetSystemInfoTimeout = dialTimeout

	where := fmt.Sprintf("%s, namespace %s", options.HostPort, options.Namespace)
	dialled, err := c.dial(ctx, options)
	if err != nil {
		if exitCode(err) == exitNoAccess {
			return nil, err
		}
		return nil, codedError{exitFailed, fmt.Sprintf("no Temporal server answers at %s (%s); start one, or name yours with --address or TEMPORAL_ADDRESS", where, dialProblem(err))}
	}
	payloads := options.DataConverter
	if payloads == nil {
		payloads = converter.GetDefaultDataConverter()
	}
	return &temporalServer{Client: dialled, where: where, converter: payloads}, nil
}

var dialDetail = regexp.MustCompile(`dial tcp [^"]+`)

// dialProblem takes the reason out of what gRPC says around it.
func dialProblem(err error) string {
	text := oneLine(err.Error())
	if reason := dialDetail.FindString(text); reason != "" {
		return reason
	}
	return text
}

func orDefault(value, def string) string {
	if value == "" {
		return def
	}
	return value
}

// noWorker says that nobody takes the work up, and what to do.
func (t *temporalServer) noWorker(lastSeen time.Duration) string {
	text := fmt.Sprintf("no worker answers on task queue %s (Temporal at %s)", spec.TaskQueue, t.where)
	if lastSeen > 0 {
		text += fmt.Sprintf("; one was last seen %s ago", span(lastSeen))
	}
	return text + "; start one with starkeep.yaml for this Temporal and namespace (docs/cli.md, \"No worker\")"
}
