package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	uioptions "github.com/temporalio/ui-server/v2/server/server_options"
)

// webUI is Temporal's web UI in this process.
type webUI struct {
	Address string // "http://127.0.0.1:8233"
	server  *uiserver.Server
}

// startUI serves the UI of the Temporal server at temporalAddress on 127.0.0.1:port (0: a free port).
func startUI(ctx context.Context, temporalAddress string, port int) (*webUI, error) {
	port, err := listenPort(port)
	if err != nil {
		return nil, fmt.Errorf("web UI: %w", err)
	}
	server := uiserver.NewServer(uioptions.WithConfigProvider(&uiconfig.Config{
		TemporalGRPCAddress: temporalAddress,
		Host:                loopback,
		Port:                port,
		EnableUI:            true,
		DefaultNamespace:    namespace,
		DisableNewsFetch:    true,
		HideLogs:            true,
		CORS:                uiconfig.CORS{CookieInsecure: true}, // plain http, loopback only
	}))
	go server.Start() // ends at Stop; it exits the process by itself when it cannot listen
	ui := &webUI{Address: "http://" + hostPort(port), server: server}
	if err := waitHTTP(ctx, ui.Address+"/healthz", 10*time.Second); err != nil {
		ui.Stop()
		return nil, fmt.Errorf("web UI: %w", err)
	}
	return ui, nil
}

// Stop ends the UI.
func (u *webUI) Stop() { u.server.Stop() }

// waitHTTP waits until a server answers at url, whatever it says.
func waitHTTP(ctx context.Context, url string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			return response.Body.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s did not answer within %s: %w", url, limit, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
