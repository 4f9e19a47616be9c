# run: the demo on http://127.0.0.1:8000     test check format browser interop bench soak: for developers
# js: its part of `test`                     bench-page: what the page costs a browser
# lock: renew requirements-dev.lock          clean: remove what this file made
# Settings: make run PORT=8001 APP=examples.demo:app; make test ARGS='-k cursor';
# VENV and PYTHON may also come from the environment.

VENV ?= .venv
PYTHON ?= python3
HOST = 127.0.0.1
PORT = 8000
APP = examples.demo:app
ARGS =

BIN = $(VENV)/bin
RUNTIME = $(VENV)/.runtime-installed
DEV = $(VENV)/.dev-installed
JS = tests/js/node_modules/.installed
RUNTIMES = build/interop/js/.installed
NODE = build/bench/node/.installed
NGINX = build/bench/nginx/.unpacked
PROXIES = build/interop/.unpacked
PROMTOOL = build/interop/.promtool-unpacked
PIP = $(BIN)/python -m pip --disable-pip-version-check --quiet
# Usage: $(APT) PACKAGE...
APT = apt() { \
	command -v apt-get >/dev/null || { echo "please install: $$*" >&2; return 1; }; \
	sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	$$sudo apt-get update -qq && \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$$@"; \
	}; apt
# Usage: $(NEED) COMMAND:PACKAGE...  What is called, and the package that has it.
NEED = need() { \
	missing=; for one in "$$@"; do \
		command -v $${one%:*} >/dev/null || missing="$$missing $${one\#*:}"; \
	done; [ -z "$$missing" ] || { $(APT) $$missing; }; \
	}; need

.PHONY: run test js browser check format interop bench bench-page soak clean lock
.PHONY: curl cc openssl clients node browsers

run: $(RUNTIME)
	@exec $(BIN)/progress serve $(APP) --host $(HOST) --port $(PORT) $(ARGS)

test: $(DEV) $(JS) | curl
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal $(ARGS)

# The SDK, the element and the page: types, unit tests, the npm package, sizes.
js: $(DEV) $(JS)
	$(BIN)/python -m pytest tests/js $(ARGS)

# The page, the element and the SDK in Chromium and in Firefox.
browser: $(DEV) $(JS) | browsers
	$(BIN)/python -m pytest tests/browser $(ARGS)

check: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(DEV)
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

# What others make of the server: the proxies of examples/proxies before it, clients, Prometheus.
interop: $(DEV) | $(PROXIES) $(PROMTOOL) $(RUNTIMES) curl openssl clients
	$(BIN)/python -m pytest tests/interop $(ARGS)

bench: $(DEV) | $(NODE) $(NGINX) cc
	$(BIN)/python -m tests.bench $(ARGS)

bench-page: $(DEV) | browsers
	$(BIN)/python -m tests.bench.page $(ARGS)

# Five minutes: subscribers that come and go leave nothing behind.
soak: $(DEV)
	$(BIN)/python -m tests.soak $(ARGS)

# The newest of everything, whatever the old lock says (--upgrade).
lock: $(DEV)
	$(BIN)/uv pip compile --quiet --universal --upgrade --no-header --no-emit-index-url \
		--group dev --output-file requirements-dev.lock pyproject.toml

clean:
	rm -rf .venv build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache tests/js/node_modules
	find progress tests examples -name __pycache__ -type d -prune -exec rm -rf {} +

# To run the server needs no more than the package itself; the lock says which versions.
$(RUNTIME): pyproject.toml requirements-dev.lock
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { $(APT) python3 python3-venv; }
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or \
		sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --constraint requirements-dev.lock --editable .
	@touch $@

$(DEV): $(RUNTIME)
	$(PIP) install --requirement requirements-dev.lock
	@touch $@

# The compiler of types, the linters of the npm package, axe-core, React; nothing that is served.
$(JS): tests/js/package.json tests/js/package-lock.json | node
	npm ci --prefix tests/js --loglevel error --no-audit --no-fund
	@touch $@

# Other runtimes of JavaScript than Node.
$(RUNTIMES): | node
	@mkdir -p $(@D)
	npm install --loglevel error --no-audit --no-fund --prefix $(@D) deno@2.9.6 bun@1.4.5
	@touch $@

node:
	@$(NEED) node:nodejs npm:npm

# They depend on fontconfig, and that on a font, so that text is no row of boxes.
browsers:
	@$(NEED) chromium:chromium firefox-esr:firefox-esr

# What the benchmarks compare with, and the compiler of their load client.
cc:
	@command -v cc >/dev/null || { $(APT) gcc libc6-dev; }

$(NODE): | node
	@mkdir -p $(@D)
	npm install --silent --no-audit --no-fund --prefix $(@D) better-sse@0.16 ws@8
	@touch $@

# Only unpacked: Debian starts what is installed. Without it the table has a gap.
# Nchan wants /var/lib/nginx, whatever the configuration says.
$(NGINX):
	@mkdir -p $(@D)
	@cd $(@D) && { apt-get download nginx libnginx-mod-nchan || \
		{ $(APT) libpcre2-8-0 && apt-get download nginx libnginx-mod-nchan; }; } && \
		for package in *.deb; do dpkg-deb -x $$package . || exit; done && \
		{ mkdir -p /var/lib/nginx 2>/dev/null || sudo -n mkdir -p /var/lib/nginx; } && \
		touch $(@F) || echo "no nginx with Nchan here: it is left out" >&2

# Only unpacked, with the libraries they need, for the same reason; but they may not be missing.
$(PROXIES):
	@mkdir -p $(@D)/archives/partial
	@cd $(@D) && fetch() { \
		apt-get install -qq -y --no-install-recommends --reinstall --download-only \
			-o Dir::Cache::archives="$$PWD/archives" -o Debug::NoLocking=1 \
			nginx haproxy caddy apache2-bin; \
		} && { fetch 2>/dev/null || { $(APT) ca-certificates && fetch; }; } && \
		for package in archives/*.deb; do dpkg-deb -x $$package debian || exit; done
	@touch $@

# The same: of the package only promtool is wanted, and that needs nothing.
$(PROMTOOL):
	@mkdir -p $(@D)
	@cd $(@D) && { apt-get download -qq prometheus 2>/dev/null || \
		{ $(APT) ca-certificates && apt-get download -qq prometheus; }; } && \
		for package in prometheus_*.deb; do dpkg-deb -x $$package debian || exit; done
	@touch $@

clients:
	@$(NEED) cadaver:cadaver litmus:litmus node:nodejs go:golang-go \
		javac:default-jdk-headless chromium:chromium

openssl:
	@command -v openssl >/dev/null || { $(APT) openssl; }

# The README drives the server with curl, and so do tests.
curl:
	@command -v curl >/dev/null || { $(APT) curl; }
