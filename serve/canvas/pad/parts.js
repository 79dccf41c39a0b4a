// The parts of pad.html.
const part = name => element.querySelector(name);
const sheet = part('.sheet'), canvas = part('canvas'), ring = part('.ring'), slider = part('.width input');
