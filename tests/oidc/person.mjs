// A person with a browser: follows redirects, keeps cookies, fills in the forms that come up, and presses their button. Written
// on node:http, as the fetch of Debian's node 18 hides cookies.
import { once } from 'node:events';
import http from 'node:http';

/// Types the code, signs in and agrees.
export async function approve(address, userCode, login) {
  const last = await visit(address, { user_code: userCode, login, password: 'anything' });
  if (!last.includes('Sign-in Success')) throw new Error(`not approved: ${plain(last)}`);
}

/// Types the code and presses the button that refuses.
export async function deny(address, userCode) {
  const last = await visit(address, { user_code: userCode }, 'abort');
  if (!last.includes('was interrupted')) throw new Error(`not refused: ${plain(last)}`);
}

// Fills in form after form until there is none, or until the button was there to press; answers with the last page.
async function visit(address, words, button) {
  const browser = new Browser();
  let page = await browser.open(address);
  for (let pages = 0; pages < 8; pages += 1) {
    const form = page.body.match(/<form[^>]*action="([^"]*)"[^]*?<\/form>/);
    if (!form) return page.body;
    const fields = new URLSearchParams();
    for (const [input] of form[0].matchAll(/<input[^>]*>/g)) {
      const [, name] = input.match(/name="([^"]*)"/);
      fields.append(name, words[name] ?? input.match(/value="([^"]*)"/)?.[1] ?? '');
    }
    // The buttons may stand outside of the form that they belong to.
    const pressed = button && page.body.includes(`name="${button}"`);
    if (pressed) fields.append(button, 'yes');
    page = await browser.open(new URL(decoded(form[1]), page.url).href, fields.toString());
    if (pressed) return page.body;
  }
  throw new Error(`forms without an end: ${plain(page.body)}`);
}

class Browser {
  cookies = new Map();

  async open(url, body) {
    for (let hops = 0; hops < 10; hops += 1) {
      const headers = { cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ') };
      if (body !== undefined) headers['content-type'] = 'application/x-www-form-urlencoded';
      const request = http.request(url, { method: body === undefined ? 'GET' : 'POST', headers });
      request.end(body);
      const [response] = await once(request, 'response');
      for (const cookie of response.headers['set-cookie'] ?? []) {
        const [, name, value] = cookie.match(/^([^=]+)=([^;]*)/);
        this.cookies.set(name, value);
      }
      const parts = [];
      for await (const part of response) parts.push(part);
      if (!response.headers.location) return { url, body: Buffer.concat(parts).toString() };
      [url, body] = [new URL(response.headers.location, url).href, undefined];
    }
    throw new Error(`redirects without an end: ${url}`);
  }
}

const decoded = (text) => text.replaceAll('&amp;', '&').replaceAll('&quot;', '"');
const plain = (page) => page.replace(/<style[^]*?<\/style>/g, '').replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ').trim();
