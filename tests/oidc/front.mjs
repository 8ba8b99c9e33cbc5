// What stands in front of the provider: it writes down every request, spoils answers on command, and has the door by which a
// test commands it:
//
//   POST /control/ORDER        carries out an order of the provider's; or `fault`: {endpoint, kind, times}, `mend`: no more
//                              faults, `edits`: {endpoint: {field: value}}, for all answers from now on
//   GET  /control/log?after=N  the requests after number N, as soon as there are any; at once for N < 0
//
// Endpoints are device-code, token-poll, refresh, revoke, keys, userinfo, discovery, and page for what a person sees. Of a
// proof (RFC 9449) its claims and its key are written down.
import { createHash } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import http from 'node:http';

const PATHS = {
  '/device/auth': 'device-code',
  '/token/revocation': 'revoke',
  '/jwks': 'keys',
  '/me': 'userinfo',
  '/.well-known/openid-configuration': 'discovery',
  '/.well-known/oauth-authorization-server': 'discovery',
};
// Written down as marks: enough to see whether two are the same.
const SECRETS = new Set(['client_secret', 'device_code', 'refresh_token', 'token']);
const PAGE = '<!doctype html><title>Guest Wi-Fi</title><h1>Welcome</h1><p>Please accept the terms.</p>';

// Answers in place of the provider's, by the kind of the fault.
const INSTEAD = {
  slow_down: [400, { 'content-type': 'application/json' }, '{"error":"slow_down"}'],
  503: [503, { 'content-type': 'text/plain' }, 'Service Unavailable'],
  html: [200, { 'content-type': 'text/html' }, PAGE],
  portal: [302, { location: 'http://captive.example/login' }, ''],
  404: [404, { 'content-type': 'application/json' }, '{"error":"not_found"}'],
};

/// Listens on a free port; answers with the address.
export async function listen(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${server.address().port}`;
}

export class Front {
  edits = {};
  orders = {};
  faults = [];
  log = [];
  news = new EventEmitter().setMaxListeners(0);
  connections = new WeakMap();
  connected = 0;

  constructor(inner) {
    this.inner = inner;
    this.server = http.createServer((request, response) => {
      const work = request.url.startsWith('/control/') ? this.command(request, response) : this.serve(request, response);
      work.catch((error) => {
        if (!response.headersSent) response.writeHead(500, { 'content-type': 'text/plain' });
        response.end(`${error.stack}\n`);
      });
    });
    this.server.on('connection', (socket) =>
      this.connections.set(socket, { connection: ++this.connected, request: 0 }));
  }

  async serve(request, response) {
    const body = await text(request);
    const place = this.connections.get(request.socket);
    const form = Object.fromEntries(new URLSearchParams(body));
    const entry = { connection: place.connection, request: ++place.request, endpoint: endpoint(request.url, form) };
    if (request.headers.dpop) entry.proof = proven(request.headers.dpop);
    Object.assign(entry, { path: request.url, auth: authentication(request, form), form: marked(form) });
    const fault = this.fault(entry.endpoint);
    if (fault) entry.fault = fault;
    if (fault === 'reset') {
      request.socket.destroy();
      return this.write(entry);
    }
    const [status, headers, answer] = INSTEAD[fault] ?? await this.ask(request, body, entry, fault);
    entry.status = status;
    if (status >= 400) entry.error = json(answer)?.error;
    // The provider has acted, and nobody hears of it.
    if (fault === 'lost') request.socket.destroy();
    else response.writeHead(status, headers).end(answer);
    this.write(entry);
  }

  // The provider's own answer, edited.
  async ask(request, body, { endpoint: place }, fault) {
    const path = place === 'discovery' ? '/.well-known/openid-configuration' : request.url;
    const call = http.request(this.inner + path, { method: request.method, headers: request.headers });
    call.end(body);
    const [reply] = await once(call, 'response');
    let answer = await text(reply);
    const headers = { ...reply.headers };
    // Of the connection behind this one.
    ['connection', 'keep-alive', 'transfer-encoding'].forEach((name) => delete headers[name]);
    const edits = this.edits[place];
    if (reply.statusCode === 200 && (edits || fault?.startsWith('forged'))) {
      const fields = { ...json(answer), ...edits };
      Object.keys(fields).forEach((name) => fields[name] === null && delete fields[name]);
      if (fault?.startsWith('forged')) fields.id_token = await this.forge(fault, fields.id_token);
      answer = JSON.stringify(fields);
    }
    if (answer) headers['content-length'] = Buffer.byteLength(answer);
    return [reply.statusCode, headers, answer];
  }

  // The fault that strikes this request, once less from now on.
  fault(place) {
    const found = this.faults.find((fault) => fault.endpoint === place && fault.times > 0);
    if (!found) return undefined;
    found.times -= 1;
    return found.kind;
  }

  write(entry) {
    this.log.push({ n: this.log.length + 1, ms: Math.round(performance.now()), ...entry });
    this.news.emit('news');
  }

  async command(request, response) {
    const url = new URL(request.url, this.inner);
    const order = url.pathname.slice('/control/'.length);
    const words = json(await text(request)) ?? {};
    let answer = null;
    if (order === 'log') {
      const after = Number(url.searchParams.get('after'));
      while (this.log.length <= after && !request.socket.destroyed) await once(this.news, 'news');
      answer = this.log.slice(Math.max(after, 0));
    } else if (order === 'fault') {
      this.faults.push({ times: 1, ...words });
    } else if (order === 'mend') {
      this.faults = [];
    } else if (order === 'edits') {
      this.edits = words;
    } else {
      answer = await this.orders[order](words) ?? null;
    }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  }
}

function endpoint(url, form) {
  const path = url.split('?')[0];
  if (path === '/token') return form.grant_type === 'refresh_token' ? 'refresh' : 'token-poll';
  return PATHS[path] ?? 'page';
}

function authentication(request, form) {
  if (request.headers.authorization?.startsWith('Basic ')) return 'client_secret_basic';
  return form.client_secret ? 'client_secret_post' : 'none';
}

const mark = (secret) => createHash('sha256').update(secret).digest('hex').slice(0, 16);
const marked = (form) =>
  Object.fromEntries(Object.entries(form).map(([name, value]) => [name, SECRETS.has(name) ? mark(value) : value]));

// What a proof says, and by which key.
function proven(proof) {
  const [header, claims] = proof.split('.').map((part) => json(Buffer.from(part, 'base64url').toString()));
  return { ...claims, key: header?.jwk?.x };
}

async function text(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString();
}

function json(words) {
  try {
    return JSON.parse(words);
  } catch {
    return undefined;
  }
}
